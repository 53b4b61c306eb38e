package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/script"
	"posixlab/labs/internal/show"
)

const schemaFile = "../../results.schema.json"

// schemaOf compiles the schema, or one of its definitions.
func schemaOf(t *testing.T, definition string) *jsonschema.Schema {
	t.Helper()
	path, err := filepath.Abs(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(path + definition)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSchema validates files as the gradebook writes them.
func TestSchema(t *testing.T) {
	class := classOf(t, show.English, 14)
	class.Submissions[0].Results[0].Predictions = script.Predictions{Asked: 2, Right: 1}
	for _, c := range []struct {
		name       string
		definition string
		value      any
	}{
		{"class", "#/$defs/class", class},
		{"nobody's class", "#/$defs/class", &gradebook.Class{Version: 1, Lang: "es"}},
		{"submission", "#/$defs/submission", class.Submissions[1]},
		{"without a server", "#/$defs/submission", class.Submissions[4]},
		{"not yet judged", "#/$defs/submission", &gradebook.Submission{Version: 1, Name: "ana"}},
		{"check", "#/$defs/check", &grade.Results{Version: 1, Server: "exercise", Lang: "en", Results: class.Submissions[2].Results}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), gradebook.File)
			if err := gradebook.WriteFile(path, c.value); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			for _, definition := range []string{"", c.definition} {
				if err := schemaOf(t, definition).Validate(value); err != nil {
					t.Errorf("by the schema%s: %v", definition, err)
				}
			}
		})
	}
}

// TestSchemaRefuses gives it files with one thing wrong.
func TestSchemaRefuses(t *testing.T) {
	schema := schemaOf(t, "")
	for name, spoil := range map[string]func(class map[string]any){
		"a field of no use": func(c map[string]any) { c["color"] = "red" },
		"another version":   func(c map[string]any) { c["version"] = 2 },
		"no language":       func(c map[string]any) { delete(c, "lang") },
		"a date":            func(c map[string]any) { c["started"] = "yesterday" },
		"a verdict": func(c map[string]any) {
			c["submissions"].([]any)[0].(map[string]any)["results"].([]any)[0].(map[string]any)["verdict"] = "maybe"
		},
		"half a point": func(c map[string]any) { c["scenarios"].([]any)[0].(map[string]any)["points"] = 0.5 },
	} {
		data, err := json.Marshal(classOf(t, show.English, 1))
		if err != nil {
			t.Fatal(err)
		}
		var class map[string]any
		if err := json.Unmarshal(data, &class); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(class); err != nil {
			t.Fatal(err)
		}
		spoil(class)
		if schema.Validate(class) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSchemaFields compares the schema's properties with the fields of what is written: each is in
// the other, has a description, and is required unless it may be left out.
func TestSchemaFields(t *testing.T) {
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Ref         string `json:"$ref"`
		Description string
		Properties  map[string]struct {
			Ref         string `json:"$ref"`
			Description string
		}
		Required             []string
		AdditionalProperties *bool
	}
	var schema struct {
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for definition, v := range map[string]any{
		"class": gradebook.Class{}, "scenario": gradebook.Scenario{}, "submission": gradebook.Submission{},
		"check": grade.Results{}, "result": grade.Result{}, "predictions": script.Predictions{},
	} {
		def := schema.Defs[definition]
		if def.AdditionalProperties == nil || *def.AdditionalProperties {
			t.Errorf("%s: other properties are allowed", definition)
		}
		want, got := make(map[string]bool), make(map[string]bool) // names, and whether required
		for f := range reflect.TypeOf(v).Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			want[name] = !strings.Contains(options, "omit")
		}
		for name, property := range def.Properties {
			got[name] = false
			if property.Description == "" && schema.Defs[strings.TrimPrefix(property.Ref, "#/$defs/")].Description == "" {
				t.Errorf("%s.%s: no description", definition, name)
			}
		}
		for _, name := range def.Required {
			got[name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-in Go +in the schema):\n%s", definition, diff)
		}
	}
}
