package joda

import (
	_ "embed"
	"fmt"
	"strings"
)

// localeNames are the words of each language in a date, as Java has them from the Unicode CLDR: a line for a locale with
// its months, short months, days from Sunday on, short days, and the halves of the day.
//
//go:embed names.tsv
var localeNames string

// names are a language's words in a date; days start with Sunday.
type names struct {
	months, shortMonths, days, shortDays, halves []string
}

// namesOf finds a locale's words: those of its region, or else those of its language.
func namesOf(locale string) (*names, error) {
	locale = strings.ReplaceAll(locale, "_", "-")
	language, region, _ := strings.Cut(locale, "-")
	if language == "" {
		language = "en"
	}
	var found *names
	var known []string
	for line := range strings.Lines(localeNames) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		isRegion := region != "" && strings.EqualFold(columns[0], locale)
		if isRegion || strings.EqualFold(columns[0], language) {
			words := func(i int) []string { return strings.Split(columns[i], ",") }
			found = &names{months: words(1), shortMonths: words(2), days: words(3), shortDays: words(4), halves: words(5)}
		}
		if isRegion {
			return found, nil
		}
		if !strings.Contains(columns[0], "-") {
			known = append(known, columns[0])
		}
	}
	if found == nil {
		return nil, fmt.Errorf("locale %q: the names of months and days are known for %s", locale, strings.Join(known, ", "))
	}
	return found, nil
}

// match finds the longest of the words that text starts with, as written, all small or all capital as Joda does; -1
// where none does.
func match(text string, words ...[]string) (index, length int) {
	index = -1
	for _, list := range words {
		for i, w := range list {
			for _, form := range []string{w, strings.ToLower(w), strings.ToUpper(w)} {
				if len(form) > length && strings.HasPrefix(text, form) {
					index, length = i, len(form)
				}
			}
		}
	}
	return index, length
}

// zoneName finds the short zone name that text starts with, of the only ones that Joda-Time reads. A name stands for
// the zone, whichever offset it has at the date: EDT in January is EST.
func zoneName(text string) (id string, length int) {
	for _, z := range []struct{ name, id string }{
		{"UTC", "UTC"}, {"UT", "UTC"}, {"GMT", "UTC"}, {"EST", "America/New_York"}, {"EDT", "America/New_York"},
		{"CST", "America/Chicago"}, {"CDT", "America/Chicago"}, {"MST", "America/Denver"}, {"MDT", "America/Denver"},
		{"PST", "America/Los_Angeles"}, {"PDT", "America/Los_Angeles"}, {"Z", "UTC"},
	} {
		if strings.HasPrefix(text, z.name) {
			return z.id, len(z.name)
		}
	}
	return "", 0
}
