package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/chromedp"
)

// width is that of the pages in pictures, in pixels.
const width = 1500

// Shot is a picture of a dashboard.
type Shot struct {
	Version, Scene, UID string
	// Image shows the panels and the heading, without the pages' navigation.
	Image *image.RGBA
	// Panels are the places of the panels in the picture, in the dashboard's order.
	Panels []image.Rectangle
	// Errors are what panels say that could not be drawn, by their place.
	Errors map[int]string

	// panel takes a picture of a panel by itself; without it, the panel is cut out.
	panel func(i int) (*image.RGBA, error)
}

// of is the picture of a panel by its place; nil where there is none.
func (s *Shot) of(i int) (*image.RGBA, error) {
	switch {
	case s == nil || i < 0:
		return nil, nil
	case s.panel != nil:
		return s.panel(i)
	case i >= len(s.Panels):
		return nil, nil
	}
	return cut(s.Image, s.Panels[i]), nil
}

// FindChromium is the browser that pictures are made with; empty where there is none.
func FindChromium() string {
	if named := os.Getenv("CHROMIUM"); named != "" {
		return named
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// camera is a photographer: a browser that has a preview's page open.
type camera struct {
	ctx  context.Context
	stop func()
	page string
	open bool
}

func (c *camera) close() { c.stop() }

func newCamera(ctx context.Context, chromium, page string) *camera {
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.Env("TZ=UTC", "LANG=en_US.UTF-8"), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-device-scale-factor", "1"), chromedp.Flag("disable-gpu", true), chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("lang", "en-US"), chromedp.Flag("disable-lcd-text", true),
	)
	if os.Getuid() == 0 { // as in containers, where Chromium refuses to have its sandbox
		opts = append(opts, chromedp.NoSandbox)
	}
	allocated, stop := chromedp.NewExecAllocator(ctx, opts...)
	tab, cancel := chromedp.NewContext(allocated)
	return &camera{ctx: tab, stop: func() { cancel(); stop() }, page: page}
}

// state is what the page says of itself.
type state struct {
	Ready  bool
	Height int64
	Left   float64
	Panels []struct {
		X, Y, W, H float64
		Error      string
	}
}

// look is evaluated in the page until it is ready: the wanted dashboard is there, all its panels have their answers, and
// what they draw has been painted.
const look = `(async () => {
  const main = document.querySelector('main[data-shown=' + JSON.stringify(%q) + ']');
  const all = [...document.querySelectorAll('[data-at]')].sort((a, b) => a.dataset.at - b.dataset.at);
  const failed = main && main.querySelector('.problem');
  const ready = !!main && document.fonts.status === 'loaded' && (!!failed || all.length > 0 && [...document.querySelectorAll('[data-panel]')].every((p) => /Done|Error/.test(p.dataset.state)));
  if (ready) {
    for (let i = 0; i < 3; i++) { await new Promise((r) => requestAnimationFrame(r)); }
  }
  const box = main ? main.getBoundingClientRect() : { left: 0 };
  return {
    Ready: ready, Left: box.left, Height: document.documentElement.scrollHeight,
    Panels: all.map((p) => { const r = p.getBoundingClientRect();
      return { X: r.left + scrollX, Y: r.top + scrollY, W: r.width, H: r.height, Error: p.dataset.error || '' }; }),
  };
})()`

// patience is how long a page may take to draw a dashboard.
const patience = 30 * time.Second

func (c *camera) await(shown string) (state, error) {
	deadline := time.Now().Add(patience)
	for {
		s, err := chromedp.Run(c.ctx, chromedp.Evaluate[state](fmt.Sprintf(look, shown), chromedp.EvalAwaitPromise))
		if err != nil || s.Ready {
			return s, err
		}
		if time.Now().After(deadline) {
			return s, fmt.Errorf("the page has not drawn %s after %s", shown, patience)
		}
		select {
		case <-c.ctx.Done():
			return s, c.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// shoot takes a picture of one dashboard.
func (c *camera) shoot(version, scene, uid string) (*Shot, error) {
	shot, err := c.take(version, scene, uid)
	if err != nil {
		return nil, fmt.Errorf("take a picture of dashboard %s (%s, %s): %w", uid, version, scene, err)
	}
	return shot, nil
}

func (c *camera) take(version, scene, uid string) (*Shot, error) {
	hash := "#/d/" + url.PathEscape(uid) + "?" + url.Values{"of": {version}, "data": {scene}, "theme": {"dark"}}.Encode()
	size := chromedp.EmulateViewport(width, 1000)
	var err error
	if !c.open {
		err = chromedp.Do(c.ctx, size, chromedp.Navigate((&url.URL{Scheme: "file", Path: c.page}).String()+hash))
		c.open = true
	} else {
		err = chromedp.Do(c.ctx, size)
		if err == nil {
			_, err = chromedp.Run(c.ctx, chromedp.Evaluate[string]("location.hash = "+fmt.Sprintf("%q", hash)))
		}
	}
	if err != nil {
		return nil, err
	}
	shown := version + " " + scene + " /d/" + uid
	s, err := c.await(shown)
	if err != nil {
		return nil, err
	}
	// As high as the page is, so that one picture has it all.
	if err := chromedp.Do(c.ctx, chromedp.EmulateViewport(width, s.Height)); err != nil {
		return nil, err
	}
	if s, err = c.await(shown); err != nil {
		return nil, err
	}
	data, err := chromedp.Run(c.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return nil, err
	}
	whole, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	left := int(s.Left)
	shot := &Shot{Version: version, Scene: scene, UID: uid, Errors: map[int]string{}}
	shot.Image = cut(whole, image.Rect(left, 0, whole.Bounds().Dx(), whole.Bounds().Dy()))
	for i, p := range s.Panels {
		shot.Panels = append(shot.Panels, image.Rect(int(p.X)-left, int(p.Y), int(p.X+p.W)-left, int(p.Y+p.H)))
		if p.Error != "" {
			shot.Errors[i] = p.Error
		}
	}
	return shot, nil
}

// cut copies a part of a picture.
func cut(from image.Image, part image.Rectangle) *image.RGBA {
	part = part.Intersect(from.Bounds())
	out := image.NewRGBA(image.Rect(0, 0, part.Dx(), part.Dy()))
	draw.Draw(out, out.Bounds(), from, part.Min, draw.Src)
	return out
}

// writePNG writes a picture.
func writePNG(file string, img image.Image) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write a picture: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(f, img); err != nil {
		return fmt.Errorf("write the picture %s: %w", file, err)
	}
	return nil
}

// Difference marks in red what differs between two pictures of a panel, over the pale new one, and counts the pixels.
func Difference(before, after *image.RGBA) (*image.RGBA, int) {
	size := image.Rect(0, 0, max(before.Bounds().Dx(), after.Bounds().Dx()), max(before.Bounds().Dy(), after.Bounds().Dy()))
	out := image.NewRGBA(size)
	count := 0
	for y := range size.Dy() {
		for x := range size.Dx() {
			at := image.Pt(x, y)
			a, b := after.RGBAAt(x, y), before.RGBAAt(x, y)
			if at.In(before.Bounds()) && at.In(after.Bounds()) && a == b {
				out.SetRGBA(x, y, color.RGBA{a.R / 3, a.G / 3, a.B / 3, 255})
				continue
			}
			count++
			out.SetRGBA(x, y, color.RGBA{255, 48, 48, 255})
		}
	}
	return out, count
}
