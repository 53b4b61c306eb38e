package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// columns frame those of the labs' points.
var (
	before = []show.Text{
		{EN: "submission", ES: "entrega"}, {EN: "student", ES: "estudiante"},
		{EN: "points", ES: "puntos"}, {EN: "max", ES: "máximo"}, {EN: "percent", ES: "porcentaje"}}
	after = []show.Text{
		{EN: "failed", ES: "fallas"}, {EN: "problem", ES: "problema"},
		{EN: "infra", ES: "infra"}, {EN: "not judged yet", ES: "sin evaluar"}}
)

// byteOrderMark tells spreadsheets that a text is UTF-8: without it, some spoil names with accents.
const byteOrderMark = "\uFEFF"

// writeCSV writes a row for each student.
func writeCSV(w io.Writer, c *gradebook.Class, _ *gradebook.Submission, o Options) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	labs := labsOf(c)
	var head []string
	for _, text := range before {
		head = append(head, text.In(o.Lang))
	}
	for _, l := range labs {
		head = append(head, l.Name)
	}
	for _, text := range after {
		head = append(head, text.In(o.Lang))
	}
	table := [][]string{head}
	for _, s := range c.Submissions {
		total := sumOf(s, c.Scenarios)
		row := []string{field(s.Name), field(s.Student),
			fmt.Sprint(total.Points), fmt.Sprint(total.Max), fmt.Sprint(total.Percent())}
		for _, l := range labs {
			row = append(row, fmt.Sprint(sumOf(s, l.Scenarios).Points))
		}
		table = append(table, append(row, strings.Join(failed(c, s), " "), field(s.Problem),
			fmt.Sprint(s.Count(grade.Infra)), fmt.Sprint(pending(c, s))))
	}
	return csv.NewWriter(w).WriteAll(table)
}

// field is a text that a spreadsheet does not take for a formula.
func field(text string) string {
	text = line(text)
	if strings.IndexAny(text, "=+-@＝＋－＠") == 0 {
		return "'" + text
	}
	return text
}
