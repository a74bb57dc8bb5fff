package preview

import (
	"fmt"
	"slices"
	"strings"
)

// Summary is what a pull request shows, in Markdown: the changes with their pictures, then the dashboards.
func Summary(head Version, scenes []*Scene, pics pictures, res *Result, base string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Preview of the dashboards")
	line("")
	if res.Missing != "" {
		line("> %s\n", res.Missing)
	}
	if len(res.Broken) > 0 {
		line("Panels that cannot be drawn:\n")
		for _, text := range res.Broken {
			line("- %s", text)
		}
		line("")
	}
	if base != "" {
		changes(&b, pics, res.Changes, base)
	}
	line("## Dashboards")
	boards := slices.Clone(head.Boards)
	order(boards)
	for _, d := range boards {
		line("\n### %s\n", d.Title)
		line("%d panels", len(d.Panels))
		for _, sc := range scenes {
			if name := pics.boards[d.UID+" "+sc.Name]; name != "" {
				line("\n%s:\n\n![%s: %s](%s)", sc.Title, d.Title, sc.Title, name)
			}
		}
	}
	return b.String()
}

func changes(b *strings.Builder, pics pictures, all []Change, base string) {
	line := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	if len(all) == 0 {
		line("Nothing differs from %s.\n", base)
		return
	}
	counts := map[Kind]int{}
	for _, c := range all {
		if c.Panel != "" {
			counts[c.Kind]++
		}
	}
	var words []string
	for _, k := range []Kind{Added, Removed, Changed, Moved} {
		if counts[k] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[k], k))
		}
	}
	line("Panels against %s: %s.\n", base, cmpWords(words))
	at := ""
	for i, c := range all {
		if c.UID != at {
			line("## %s\n", c.Board)
			at = c.UID
		}
		switch {
		case c.Panel == "":
			line("### The dashboard: %s\n", c.Kind)
		case c.Was != "":
			line("### %s (was: %s): %s\n", c.Panel, c.Was, c.Kind)
		default:
			line("### %s: %s\n", c.Panel, c.Kind)
		}
		if len(c.Lines) > 0 {
			line("```diff\n%s\n```\n", strings.Join(c.Lines, "\n"))
		}
		if pictures := pics.changes[i]; len(pictures) > 0 {
			line("| | before | after | difference |\n|---|---|---|---|")
			for _, p := range pictures {
				line("| %s | %s | %s | %s |", p.scene, show("before", p.before), show("after", p.after), showDelta(p))
			}
			line("")
		}
	}
}

func cmpWords(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func show(alt, file string) string {
	if file == "" {
		return "–"
	}
	return fmt.Sprintf("![%s](%s)", alt, file)
}

func showDelta(p changePicture) string {
	if p.delta == "" {
		return "–"
	}
	return fmt.Sprintf("%s %d pixels", show("difference", p.delta), p.pixels)
}
