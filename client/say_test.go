package main

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posixlab/server/protocol"
)

// Each thing that the client says is there in both languages, with the same format verbs.
func TestSaysAllInBothLanguages(t *testing.T) {
	verb := regexp.MustCompile(`%[^a-zA-Z%]*[a-zA-Z%]`)
	table := reflect.ValueOf(say)
	for i := range table.NumField() {
		name := table.Type().Field(i).Name
		message := table.Field(i).Interface().(protocol.Message)
		if message.EN == "" || message.ES == "" || message.EN == message.ES {
			t.Errorf("%s: in English %q, in Spanish %q", name, message.EN, message.ES)
		}
		en, es := verb.FindAllString(message.EN, -1), verb.FindAllString(message.ES, -1)
		if diff := cmp.Diff(en, es); diff != "" {
			t.Errorf("%s: format verbs, -English +Spanish:\n%s", name, diff)
		}
	}
}
