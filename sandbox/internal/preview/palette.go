package preview

import (
	"image"
	"image/color"
	"maps"
	"slices"
)

// paletted draws a picture in its 256 most frequent colours, the others as the nearest of them: dashboards have few, and
// files become a third as large.
func paletted(img *image.RGBA) *image.Paletted {
	counts := map[color.RGBA]int{}
	size := img.Bounds()
	for y := range size.Dy() {
		for x := range size.Dx() {
			counts[img.RGBAAt(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		if d := counts[b] - counts[a]; d != 0 {
			return d
		}
		return int(a.R)<<16 + int(a.G)<<8 + int(a.B) - int(b.R)<<16 - int(b.G)<<8 - int(b.B)
	})
	palette := color.Palette{}
	for _, c := range colors[:min(256, len(colors))] {
		palette = append(palette, c)
	}
	nearest := map[color.RGBA]uint8{}
	out := image.NewPaletted(size, palette)
	for y := range size.Dy() {
		for x := range size.Dx() {
			c := img.RGBAAt(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			out.Pix[y*out.Stride+x] = i
		}
	}
	return out
}
