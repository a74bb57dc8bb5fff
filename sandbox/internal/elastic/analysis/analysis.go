// Package analysis cuts text into terms as Elasticsearch's built-in analyzers do.
package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Token is one term of a text.
type Token struct {
	Term string
	// Pos is the term's position from 0.
	Pos int
	// Start and End are byte offsets in the text.
	Start, End int
}

// Analyzer cuts a text and calls emit for each term in order. Terms may share memory with the text.
type Analyzer func(text string, emit func(Token))

// maxTokenLength is Lucene's limit; what is longer is cut into pieces.
const maxTokenLength = 255

// Builtin is the built-in analyzer of a name; nil where there is none.
func Builtin(name string) Analyzer {
	switch name {
	case "standard", "default":
		return Standard
	case "simple":
		return byClass(unicode.IsLetter, true)
	case "whitespace":
		return byClass(func(r rune) bool { return !unicode.IsSpace(r) }, false)
	case "keyword":
		return func(text string, emit func(Token)) { emit(Token{Term: text, End: len(text)}) }
	case "stop":
		return stop(byClass(unicode.IsLetter, true))
	}
	return nil
}

// Standard is the standard analyzer: words by Unicode's rules (UAX #29), lower-cased, no stop words.
func Standard(text string, emit func(Token)) {
	pos := 0
	Words(text, func(start, end int) {
		emit(Token{Term: Lower(text[start:end]), Pos: pos, Start: start, End: end})
		pos++
	})
}

// Lower is strings.ToLower without work for text that is lower case already.
func Lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

func byClass(in func(rune) bool, lower bool) Analyzer {
	return func(text string, emit func(Token)) {
		pos, start := 0, -1
		flush := func(end int) {
			if start < 0 {
				return
			}
			term := text[start:end]
			if lower {
				term = Lower(term)
			}
			emit(Token{Term: term, Pos: pos, Start: start, End: end})
			pos, start = pos+1, -1
		}
		for i, r := range text {
			if !in(r) {
				flush(i)
			} else if start < 0 {
				start = i
			}
		}
		flush(len(text))
	}
}

// stopWords are Lucene's English stop words.
const stopWords = " a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with "

func stop(a Analyzer) Analyzer {
	return func(text string, emit func(Token)) {
		a(text, func(t Token) {
			if !strings.Contains(stopWords, " "+t.Term+" ") {
				emit(t)
			}
		})
	}
}

// class is what a rune is to the word break rules.
type class byte

const (
	other    class = iota
	letter         // ALetter
	digit          // Numeric
	extend         // ExtendNumLet: joins letters, digits and itself
	midLet         // between letters
	midNum         // between digits
	midBoth        // between letters or between digits
	single         // a term by itself: ideographs, hiragana
	katakana       // runs of itself
	mark           // belongs to what is before it
)

func classOf(r rune) class {
	if r < utf8.RuneSelf {
		switch {
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			return letter
		case '0' <= r && r <= '9':
			return digit
		case r == '_':
			return extend
		case r == ':':
			return midLet
		case r == ',' || r == ';':
			return midNum
		case r == '.' || r == '\'':
			return midBoth
		}
		return other
	}
	switch {
	case unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r):
		return single
	case unicode.Is(unicode.Katakana, r):
		return katakana
	case unicode.IsLetter(r):
		return letter
	case unicode.IsDigit(r):
		return digit
	case unicode.Is(unicode.M, r) || r == '\u200d':
		return mark
	case r == '\u2018' || r == '\u2019' || r == '\u2024' || r == '\ufe52' || r == '\uff07' || r == '\uff0e':
		return midBoth
	case r == '\u00b7' || r == '\u0387' || r == '\u2027' || r == '\ufe13' || r == '\ufe55' || r == '\uff1a':
		return midLet
	case unicode.Is(unicode.Pc, r):
		return extend
	case unicode.Is(unicode.So, r) && r >= 0x1f000:
		return single // pictographs
	}
	return other
}

// Words calls emit with the byte offsets of each word of the text.
func Words(text string, emit func(start, end int)) {
	i := 0
	for i < len(text) {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		c := classOf(r)
		switch c {
		case letter, digit, extend, katakana:
		case single:
			emit(i, i+size)
			i += size
			continue
		default:
			i += size
			continue
		}
		end, useful := word(text, i+size, c)
		if useful {
			for end-i > maxTokenLength {
				cut := i + maxTokenLength
				for !utf8.RuneStart(text[cut]) {
					cut--
				}
				emit(i, cut)
				i = cut
			}
			emit(i, end)
		}
		i = end
	}
}

// word follows a word that began with a rune of class c to its end; useful is false for mere connectors.
func word(text string, i int, c class) (end int, useful bool) {
	useful = c != extend
	for i < len(text) {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		next := classOf(r)
		switch next {
		case letter, digit:
			if c == katakana {
				return i, useful
			}
		case katakana:
			if c != katakana && c != extend {
				return i, useful
			}
		case extend:
		case mark:
			i += size
			continue
		case midLet, midNum, midBoth:
			after, _ := utf8.DecodeRuneInString(text[i+size:])
			a := classOf(after)
			if i+size >= len(text) || !(c == letter && a == letter && next != midNum || c == digit && a == digit && next != midLet) {
				return i, useful
			}
			i += size
			continue
		default:
			return i, useful
		}
		useful = useful || next != extend
		c = next
		i += size
	}
	return i, useful
}
