package preview

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"obsandbox/sandbox/internal/stack"
)

// Options of a preview.
type Options struct {
	// Out is the directory that is written to: preview.html, summary.md, NAME-SCENE.png, changes/.
	Out string
	// Base is a revision of git to compare with; empty compares with nothing.
	Base string
	// BaseDir is a directory with the dashboards of Base, for where there is no git.
	BaseDir string
	// Chromium makes the pictures; empty leaves them out.
	Chromium string
	// Grafana makes them in Chromium's place, where it is given.
	Grafana *Grafana
	// Progress is told what is done.
	Progress func(string)
}

// Dir is where dashboards are, under the stack directory.
const Dir = "grafana/dashboards"

// Result is what a preview has found.
type Result struct {
	Changes []Change
	// Files are what was written, relative to Out.
	Files []string
	// Missing says what could not be made, and why; empty where all is there.
	Missing string
	// Broken are panels that could not be drawn, in words.
	Broken []string
}

// Head reads the dashboards of the stack directory.
func Head(s *stack.Stack) (Version, error) {
	v := Version{Name: "head", Title: "Now"}
	boards, err := boardsIn(s.Path(Dir))
	if err == nil && len(boards) == 0 {
		err = fmt.Errorf("read the dashboards: no *.json in %s", s.Path(Dir))
	}
	v.Boards = boards
	return v, err
}

// boardsIn reads the dashboards of a directory.
func boardsIn(dir string) ([]Board, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("read the dashboards: %w", err)
	}
	var all []Board
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the dashboards: %w", err)
		}
		b, err := ReadBoard(file, data)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// baseTitle is what people read of a revision.
func baseTitle(ref string) string { return "Before (" + ref + ")" }

// Base reads the dashboards of a revision.
func Base(ctx context.Context, s *stack.Stack, ref string) (Version, error) {
	v := Version{Name: "base", Title: baseTitle(ref)}
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", s.Path(".")}, args...)...).Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		if err != nil {
			return "", fmt.Errorf("read the dashboards of %s: git %s: %w", ref, args[0], err)
		}
		return string(out), nil
	}
	if strings.HasPrefix(ref, "-") {
		return v, fmt.Errorf("read the dashboards of %q: no revision begins with a dash", ref)
	}
	if _, err := git("rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}"); err != nil {
		return v, fmt.Errorf("read the dashboards of %s: git knows no such commit", ref)
	}
	names, err := git("ls-tree", "--name-only", ref, Dir+"/")
	if err != nil {
		return v, err
	}
	for _, name := range strings.Fields(names) {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := git("show", ref+":./"+name)
		if err != nil {
			return v, err
		}
		b, err := ReadBoard(ref+":"+name, []byte(data))
		if err != nil {
			return v, err
		}
		v.Boards = append(v.Boards, b)
	}
	return v, nil
}

// Run writes a preview of the stack's dashboards.
func Run(ctx context.Context, s *stack.Stack, scenes []*Scene, opt Options) (*Result, error) {
	if opt.Progress == nil {
		opt.Progress = func(string) {}
	}
	head, err := Head(s)
	if err != nil {
		return nil, err
	}
	res := &Result{}
	versions := []Version{head}
	if opt.Base != "" {
		base, err := opt.base(ctx, s)
		if err != nil {
			return nil, err
		}
		if res.Changes, err = Compare(base.Boards, head.Boards); err != nil {
			return nil, err
		}
		versions = append(versions, base)
	}
	page, err := Page(ctx, scenes, versions, "")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opt.Out, 0o755); err != nil {
		return nil, fmt.Errorf("write the preview: %w", err)
	}
	file := filepath.Join(opt.Out, "preview.html")
	if err := os.WriteFile(file, page, 0o644); err != nil {
		return nil, fmt.Errorf("write the preview: %w", err)
	}
	res.Files = append(res.Files, "preview.html")
	opt.Progress("written: " + file)
	pics := pictures{}
	if opt.Chromium == "" && opt.Grafana == nil {
		res.Missing = "There are no pictures: Chromium was not found. Install it (or name it in the variable CHROMIUM) and run `sandbox preview` again; preview.html has everything, and opens in any browser."
	} else if pics, err = shootAll(ctx, opt, scenes, versions, res); err != nil {
		return nil, err
	}
	summary := Summary(head, scenes, pics, res, opt.Base)
	if err := os.WriteFile(filepath.Join(opt.Out, "summary.md"), []byte(summary), 0o644); err != nil {
		return nil, fmt.Errorf("write the preview: %w", err)
	}
	res.Files = append(res.Files, "summary.md")
	slices.Sort(res.Files)
	return res, nil
}

// base reads the dashboards to compare with.
func (o Options) base(ctx context.Context, s *stack.Stack) (Version, error) {
	if o.BaseDir == "" {
		return Base(ctx, s, o.Base)
	}
	boards, err := boardsIn(o.BaseDir) // none, where there were none
	return Version{Name: "base", Title: baseTitle(o.Base), Boards: boards}, err
}

// pictures are file names relative to the summary: of whole dashboards by "UID SCENE", and of changes.
type pictures struct {
	boards  map[string]string
	changes map[int][]changePicture
}

// changePicture shows a change in one scene; files are empty where there is nothing to show.
type changePicture struct {
	scene                string
	before, after, delta string
	pixels               int
}

// clean removes the pictures of changes that a former preview has left.
func clean(dir string) error {
	for _, kind := range []string{"before", "after", "difference"} {
		old, err := filepath.Glob(filepath.Join(dir, "*-"+kind+".png"))
		if err != nil {
			return fmt.Errorf("remove former pictures: %w", err)
		}
		for _, file := range old {
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("remove former pictures: %w", err)
			}
		}
	}
	return nil
}

// photographer takes pictures of dashboards.
type photographer interface {
	shoot(version, scene, uid string) (*Shot, error)
	close()
}

// photographers says how to get photographers, which work at the same time.
func photographers(ctx context.Context, opt Options, scenes []*Scene, versions []Version, changes []Change) (func() photographer, error) {
	if opt.Grafana != nil {
		s, err := newStudio(ctx, *opt.Grafana, scenes, versions, changes)
		return func() photographer { return s }, err
	}
	page, err := filepath.Abs(filepath.Join(opt.Out, "preview.html"))
	return func() photographer { return newCamera(ctx, opt.Chromium, page) }, err
}

// shootAll takes pictures of all dashboards, and of their former selves where something has changed.
func shootAll(ctx context.Context, opt Options, scenes []*Scene, versions []Version, res *Result) (pictures, error) {
	pics := pictures{boards: map[string]string{}, changes: map[int][]changePicture{}}
	if err := clean(filepath.Join(opt.Out, "changes")); err != nil {
		return pics, err
	}
	open, err := photographers(ctx, opt, scenes, versions, res.Changes)
	if err != nil {
		return pics, err
	}
	type job struct{ version, scene, uid string }
	var jobs []job
	for _, v := range versions {
		boards := slices.Clone(v.Boards)
		order(boards)
		for _, b := range boards {
			changed := slices.ContainsFunc(res.Changes, func(c Change) bool { return c.UID == b.UID && c.Before >= 0 })
			for _, sc := range scenes {
				if v.Name == "head" || changed {
					jobs = append(jobs, job{v.Name, sc.Name, b.UID})
				}
			}
		}
	}
	// Two: one draws while the other is painted.
	shots := make([]*Shot, len(jobs))
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Go(func() {
			c := open()
			defer c.close()
			for i := n; i < len(jobs) && errs[n] == nil; i += 2 {
				shots[i], errs[n] = c.shoot(jobs[i].version, jobs[i].scene, jobs[i].uid)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return pics, err
	}
	find := func(version, scene, uid string) *Shot {
		if i := slices.Index(jobs, job{version, scene, uid}); i >= 0 {
			return shots[i]
		}
		return nil
	}
	save := func(name string, img image.Image) (string, error) {
		res.Files = append(res.Files, name)
		return name, writePNG(filepath.Join(opt.Out, filepath.FromSlash(name)), img)
	}
	for i, shot := range shots {
		if jobs[i].version != "head" {
			continue
		}
		name, err := save(shot.UID+"-"+shot.Scene+".png", paletted(shot.Image))
		if err != nil {
			return pics, err
		}
		pics.boards[shot.UID+" "+shot.Scene] = name
		for at, text := range shot.Errors {
			res.Broken = append(res.Broken, fmt.Sprintf("%s, panel %d, %s: %s", shot.UID, at+1, shot.Scene, text))
		}
	}
	slices.Sort(res.Broken)
	for i, c := range res.Changes {
		if c.Panel == "" || c.Kind == Moved {
			continue
		}
		if err := os.MkdirAll(filepath.Join(opt.Out, "changes"), 0o755); err != nil {
			return pics, fmt.Errorf("write the pictures: %w", err)
		}
		for _, sc := range scenes {
			p := changePicture{scene: sc.Title}
			prefix := fmt.Sprintf("changes/%s-%d-%s", c.UID, i+1, sc.Name)
			var was, is *image.RGBA
			if was, err = find("base", sc.Name, c.UID).of(c.Before); err == nil && was != nil {
				p.before, err = save(prefix+"-before.png", was)
			}
			if err != nil {
				return pics, err
			}
			if is, err = find("head", sc.Name, c.UID).of(c.After); err == nil && is != nil {
				p.after, err = save(prefix+"-after.png", is)
			}
			if err != nil {
				return pics, err
			}
			if was != nil && is != nil {
				delta, pixels := Difference(was, is)
				p.pixels = pixels
				if p.delta, err = save(prefix+"-difference.png", delta); err != nil {
					return pics, err
				}
			}
			pics.changes[i] = append(pics.changes[i], p)
		}
	}
	return pics, nil
}
