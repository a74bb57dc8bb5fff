package dates

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func (p javaPattern) print(t time.Time) string {
	var b strings.Builder
	printItems(&b, p.items, t)
	return b.String()
}

func printItems(b *strings.Builder, items []item, t time.Time) {
	pad := func(v, n int) {
		s := strconv.Itoa(v)
		b.WriteString(strings.Repeat("0", max(n-len(s), 0)))
		b.WriteString(s)
	}
	weekYear, week := rootWeek(t)
	for _, it := range items {
		switch it.letter {
		case 0:
			b.WriteString(it.text)
			printItems(b, it.optional, t)
		case 'y', 'u':
			if it.n == 2 {
				pad(t.Year()%100, 2)
			} else if it.n >= 4 && t.Year() > 9999 {
				b.WriteString(yearText(t.Year()))
			} else {
				pad(t.Year(), it.n)
			}
		case 'Y':
			if it.n == 2 {
				weekYear %= 100
			}
			pad(weekYear, it.n)
		case 'M', 'L':
			if it.n < 3 {
				pad(int(t.Month()), it.n)
			} else {
				b.WriteString(cut(t.Month().String(), it.n))
			}
		case 'd':
			pad(t.Day(), it.n)
		case 'D':
			pad(t.YearDay(), it.n)
		case 'H', 'k':
			pad(t.Hour(), it.n)
		case 'h', 'K':
			pad((t.Hour()+11)%12+1, it.n)
		case 'm':
			pad(t.Minute(), it.n)
		case 's':
			pad(t.Second(), it.n)
		case 'S':
			b.WriteString(fmt.Sprintf("%09d", t.Nanosecond())[:min(it.n, 9)])
		case 'n':
			pad(t.Nanosecond(), it.n)
		case 'N', 'A':
			nanos := ((t.Hour()*60+t.Minute())*60+t.Second())*int(time.Second) + t.Nanosecond()
			if it.letter == 'A' {
				nanos /= int(time.Millisecond)
			}
			pad(nanos, it.n)
		case 'w':
			pad(week, it.n)
		case 'e', 'c', 'E':
			if it.letter != 'E' && it.n < 3 {
				pad(int(t.Weekday())+1, it.n)
			} else {
				b.WriteString(cut(t.Weekday().String(), max(it.n, 3)))
			}
		case 'a':
			b.WriteString(t.Format("PM"))
		case 'Q', 'q':
			q := (int(t.Month()) + 2) / 3
			switch it.n {
			case 3:
				fmt.Fprintf(b, "Q%d", q)
			case 4:
				b.WriteString([]string{"1st", "2nd", "3rd", "4th"}[q-1] + " quarter")
			case 5:
				pad(q, 1)
			default:
				pad(q, it.n)
			}
		case 'G':
			b.WriteString(map[int]string{4: "Anno Domini", 5: "A"}[it.n])
			if it.n < 4 {
				b.WriteString("AD")
			}
		case 'X', 'x', 'Z', 'z', 'V', 'O':
			b.WriteString(printZone(it.letter, it.n, t))
		}
	}
}

// cut is a name as Java writes it: three letters of it, all, or one.
func cut(name string, letters int) string {
	switch letters {
	case 3:
		return name[:3]
	case 5:
		return name[:1]
	}
	return name
}
