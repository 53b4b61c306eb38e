package main

import (
	"context"

	"posixlab/labs/internal/course"
)

func writeMap(_ context.Context, c *course.Course, _ []string) error { return nil }
