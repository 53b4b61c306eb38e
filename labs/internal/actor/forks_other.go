//go:build !amd64

package main

// forks is empty: newer architectures make processes by clone and clone3 alone.
var forks []uint32
