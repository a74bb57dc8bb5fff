package joda

import (
	"fmt"
	"slices"
	"strings"
)

// names are a language's words in a date, as Java's CLDR data has them; days start with Sunday.
type names struct {
	months, shortMonths, days, shortDays []string
}

func words(s string) []string { return strings.Split(s, " ") }

func namesOf(locale string) (*names, error) {
	language, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	switch strings.ToLower(language) {
	case "en", "":
		return &names{
			months:      words("January February March April May June July August September October November December"),
			shortMonths: words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
			days:        words("Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
			shortDays:   words("Sun Mon Tue Wed Thu Fri Sat"),
		}, nil
	case "de":
		return &names{
			months:      words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
			shortMonths: words("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
			days:        words("Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag"),
			shortDays:   words("So. Mo. Di. Mi. Do. Fr. Sa."),
		}, nil
	case "fr":
		return &names{
			months:      words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
			shortMonths: words("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."),
			days:        words("dimanche lundi mardi mercredi jeudi vendredi samedi"),
			shortDays:   words("dim. lun. mar. mer. jeu. ven. sam."),
		}, nil
	case "es":
		return &names{
			months:      words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
			shortMonths: words("ene feb mar abr may jun jul ago sept oct nov dic"),
			days:        words("domingo lunes martes miércoles jueves viernes sábado"),
			shortDays:   words("dom lun mar mié jue vie sáb"),
		}, nil
	}
	return nil, fmt.Errorf("locale %q: the names of months and days are known for en, de, es and fr", locale)
}

// match finds the longest of the words that text starts with, whatever the case; -1 where none does.
func match(text string, words ...[]string) (index, length int) {
	index = -1
	for _, list := range words {
		for i, w := range list {
			if len(w) > length && len(text) >= len(w) && strings.EqualFold(text[:len(w)], w) {
				index, length = i, len(w)
			}
		}
	}
	return index, length
}

// zoneOffsets are the only short zone names that Joda-Time reads, in seconds east of UTC.
func zoneOffset(text string) (seconds, length int, ok bool) {
	zones := []string{"UTC", "UT", "GMT", "Z", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT"}
	hours := []int{0, 0, 0, 0, -5, -4, -6, -5, -7, -6, -8, -7}
	i := slices.IndexFunc(zones, func(z string) bool { return strings.HasPrefix(text, z) })
	if i < 0 {
		return 0, 0, false
	}
	return hours[i] * 3600, len(zones[i]), true
}
