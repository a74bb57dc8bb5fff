package aggs

import (
	"math"
	"strconv"
	"strings"
)

// decimal prints a number in a pattern of Java's DecimalFormat: "0.00", "#,##0.#", "0.0%", "'n' 0".
func decimal(pattern string, v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	negative := ""
	pattern, negative, _ = strings.Cut(pattern, ";")
	prefix, number, suffix := cutPattern(pattern)
	scale := 1.0
	if strings.Contains(prefix+suffix, "%") {
		scale = 100
	}
	if strings.Contains(prefix+suffix, "‰") {
		scale = 1000
	}
	whole, fraction, _ := strings.Cut(number, ".")
	minWhole, minFraction := strings.Count(whole, "0"), strings.Count(fraction, "0")
	maxFraction := strings.Count(fraction, "#") + minFraction
	text := "∞"
	if !math.IsInf(v, 0) {
		text = strconv.FormatFloat(halfEven(math.Abs(v)*scale, maxFraction), 'f', maxFraction, 64)
		w, f, _ := strings.Cut(text, ".")
		for len(f) > minFraction && f[len(f)-1] == '0' {
			f = f[:len(f)-1]
		}
		if w = strings.TrimLeft(w, "0"); len(w) < minWhole {
			w = strings.Repeat("0", minWhole-len(w)) + w
		}
		if w == "" && f == "" {
			w = "0"
		}
		if comma := strings.LastIndex(whole, ","); comma >= 0 {
			w = grouped(w, len(whole)-comma-1)
		}
		if text = w; f != "" {
			text += "." + f
		}
	}
	unquote := func(s string) string { return strings.ReplaceAll(s, "'", "") }
	if v < 0 && strings.Trim(text, "0.,") != "" {
		if negative != "" {
			p, _, s := cutPattern(negative)
			return unquote(p) + text + unquote(s)
		}
		return "-" + unquote(prefix) + text + unquote(suffix)
	}
	if math.Signbit(v) {
		return "-" + unquote(prefix) + text + unquote(suffix)
	}
	return unquote(prefix) + text + unquote(suffix)
}

// halfEven rounds to digits after the point, halves to the even neighbour; what strconv does by itself for numbers that
// are halves exactly.
func halfEven(v float64, digits int) float64 {
	if p := math.Pow10(digits); v < 1e15/p && digits == 0 {
		return math.RoundToEven(v)
	}
	return v
}

func grouped(digits string, size int) string {
	if size <= 0 {
		return digits
	}
	var parts []string
	for len(digits) > size {
		parts = append([]string{digits[len(digits)-size:]}, parts...)
		digits = digits[:len(digits)-size]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}

// cutPattern cuts a pattern into the text before the number, the number and the text after it.
func cutPattern(pattern string) (prefix, number, suffix string) {
	quoted := false
	from, to := -1, len(pattern)
	for i, r := range pattern {
		if r == '\'' {
			quoted = !quoted
		}
		digit := !quoted && strings.ContainsRune("0#,.", r)
		switch {
		case digit && from < 0:
			from = i
		case !digit && from >= 0:
			to = i
		}
		if from >= 0 && to < len(pattern) {
			break
		}
	}
	if from < 0 {
		return pattern, "", ""
	}
	return pattern[:from], pattern[from:to], pattern[to:]
}
