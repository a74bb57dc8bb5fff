package report

import (
	"fmt"
	"html/template"
	"io"
)

// page is one file without scripts: it can be opened from an archive of a CI run.
const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1f2328; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #d8dee4; }
pre { margin: .3rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.pass { color: #1a7f37; } .fail { color: #cf222e; font-weight: 600; } .skip { color: #6e7781; } .place { color: #57606a; }
</style>
<h1>{{.Title}}</h1>
<table><thead><tr><th>Verdict<th>Suite<th>Check<th>Took</thead><tbody>
{{range .Results}}<tr><td class="{{.Status}}">{{.Status}}<td>{{.Suite}}<td>{{.Name}}{{if .File}} <span class="place">{{.File}}{{if .Line}}:{{.Line}}{{end}}</span>{{end}}{{if .Detail}}<pre>{{.Detail}}</pre>{{end}}<td>{{seconds .Duration}}
{{end}}</tbody></table>
`

// HTML writes the report as one page, what failed first.
func (r *Report) HTML(w io.Writer) error {
	var sorted []Result
	for _, status := range []Status{Fail, Skip, Pass} {
		for _, res := range r.Results {
			if res.Status == status {
				sorted = append(sorted, res)
			}
		}
	}
	t, err := template.New("report").Funcs(template.FuncMap{"seconds": Seconds}).Parse(page)
	if err != nil {
		return fmt.Errorf("write the report as a page: %w", err)
	}
	title := fmt.Sprintf("%d failed, %d passed, %d skipped", r.Count(Fail), r.Count(Pass), r.Count(Skip))
	return t.Execute(w, map[string]any{"Title": title, "Results": sorted})
}
