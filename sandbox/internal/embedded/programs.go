package embedded

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"

	"obsandbox/sandbox/internal/stack"
)

// program is one pinned program and where it lies when it has been built.
type program struct {
	stack.Program
	// modPath and modVersion are the module that has the package; release is what its makers call that version.
	modPath, modVersion, release string
	// file is the cached program: its name holds everything it depends on.
	file string
}

// programs finds, and where needed builds, the real programs of a stack.
type programs struct {
	// dir is where built programs are kept.
	dir string
	// file is the stack.yaml that names them.
	file   string
	byName map[string]program
	// building has room for one build at a time: a second one would not make the machine faster.
	building chan struct{}
}

// newPrograms reads the pinned versions. bin is the directory of built programs.
func newPrograms(ctx context.Context, s *stack.Stack, bin string) (*programs, error) {
	p := &programs{dir: bin, file: s.Path(stack.FileName), byName: map[string]program{}, building: make(chan struct{}, 1)}
	toolchain := ""
	for _, sp := range s.Programs {
		prog := program{Program: sp}
		hash := sha256.New()
		for _, name := range []string{"go.mod", "go.sum"} {
			data, err := os.ReadFile(filepath.Join(sp.Dir, name))
			if err != nil {
				return nil, fmt.Errorf("read the version of %s: %w", sp.Name, err)
			}
			fmt.Fprintf(hash, "%s %d\n", name, len(data))
			hash.Write(data)
			if name != "go.mod" {
				continue
			}
			if prog.modPath, prog.modVersion, err = pinned(filepath.Join(sp.Dir, name), data, sp.Package); err != nil {
				return nil, &stack.FileError{File: s.Path(stack.FileName), Line: sp.Line, Msg: fmt.Sprintf("program %q: %v", sp.Name, err)}
			}
		}
		release, err := releaseOf(s, prog)
		if err != nil {
			return nil, err
		}
		prog.release = release
		if toolchain == "" {
			toolchain = goVersion(ctx, sp.Dir)
		}
		fmt.Fprintln(hash, toolchain, runtime.GOOS, runtime.GOARCH, sp.Package, prog.buildFlags())
		prog.file = filepath.Join(bin, fmt.Sprintf("%s-%s-%s", sp.Name, prog.modVersion, hex.EncodeToString(hash.Sum(nil))[:12]))
		p.byName[sp.Name] = prog
	}
	return p, nil
}

// pinned is the module that has a package, and its version, as a go.mod requires it.
func pinned(file string, data []byte, pkg string) (path, version string, err error) {
	mod, err := modfile.ParseLax(file, data, nil)
	if err != nil {
		return "", "", fmt.Errorf("read the version of %s: %w", pkg, err)
	}
	for _, r := range mod.Require {
		if (pkg == r.Mod.Path || strings.HasPrefix(pkg, r.Mod.Path+"/")) && len(r.Mod.Path) > len(path) {
			path, version = r.Mod.Path, r.Mod.Version
		}
	}
	if path == "" {
		return "", "", fmt.Errorf("no module that %s requires has the package %s: go get -tool it there", file, pkg)
	}
	return path, version, nil
}

// releaseOf is what the makers of a program call the version that is run: the tag of the image, without "v". The
// module's own version says something else (Prometheus' v0.315.1 is its release 3.15.1); that both mean the same is
// looked at, because the program will say so of itself.
func releaseOf(s *stack.Stack, prog program) (string, error) {
	for _, c := range s.Components {
		if c.Program == "" {
			continue
		}
		main, err := s.Program(c.Program)
		if err != nil || main.Module != prog.Module {
			continue
		}
		if err := stack.SameRelease(prog.modPath, prog.modVersion, c.Image); err != nil {
			return "", &stack.FileError{File: s.Path(stack.FileName), Line: c.ImageLine, Msg: fmt.Sprintf("component %q: %v", c.Name, err)}
		}
		return strings.TrimPrefix(stack.Tag(c.Image), "v"), nil
	}
	return "", nil
}

// goVersion is the toolchain that would build in dir; empty where Go is not installed.
func goVersion(ctx context.Context, dir string) string {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// buildFlags are the flags of `go build` for a program.
func (p program) buildFlags() []string {
	flags := []string{}
	if len(p.Tags) > 0 {
		flags = append(flags, "-tags="+strings.Join(p.Tags, ","))
	}
	ld := "-s -w"
	// The programs say their release in their APIs; a build from the module leaves it empty. The linker ignores what a
	// program does not have.
	if p.release != "" {
		ld += " -X github.com/prometheus/common/version.Version=" + p.release +
			" -X github.com/jaegertracing/jaeger/internal/version.latestVersion=v" + p.release
	}
	flags = append(flags, "-ldflags="+ld)
	for _, pattern := range strings.Fields(seldomUsed) {
		flags = append(flags, "-gcflags="+pattern+"=-N -l -dwarf=false")
	}
	return flags
}

// seldomUsed are what the programs bring along and this stack does not use, in patterns of packages: the clients of
// other stores and queues, and the OpenAPI document of Prometheus. Half of the time that compiling them took, a minute
// in all, went into making them fast, and the largest took 2 GB of memory for it. They are compiled as they are written.
const seldomUsed = `
	github.com/pb33f/libopenapi/...
	github.com/elastic/go-elasticsearch/...
	github.com/olivere/elastic/...
	github.com/ClickHouse/...
	github.com/gocql/gocql/...
	github.com/twmb/franz-go/...
	github.com/IBM/sarama/...
	github.com/Shopify/sarama/...
	github.com/google/go-tpm/...
	github.com/goccy/go-json/...
`

// find is the path of a program that is built, or that lies on PATH in exactly the pinned version; empty where there is
// neither.
func (p *programs) find(ctx context.Context, name string) string {
	prog := p.byName[name]
	if info, err := os.Stat(prog.file); err == nil && info.Mode().IsRegular() {
		now := time.Now()
		_ = os.Chtimes(prog.file, now, now) // so that one sees which cached programs are still used
		return prog.file
	}
	if file, err := exec.LookPath(name); err == nil && prog.isAt(ctx, file) {
		return file
	}
	return ""
}

var versionWord = regexp.MustCompile(`\bv?\d+\.\d+\.\d+[\w.+-]*`)

// isAt says whether file is the program in the pinned version: by the module version that Go has written into it, or by
// the release that it prints.
func (p program) isAt(ctx context.Context, file string) bool {
	if info, err := buildinfo.ReadFile(file); err == nil && info.Path == p.Package {
		mods := append([]string{info.Main.Path + "@" + info.Main.Version}, "")
		for _, d := range info.Deps {
			mods = append(mods, d.Path+"@"+d.Version)
		}
		if slices.Contains(mods, p.modPath+"@"+p.modVersion) {
			return true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, arg := range []string{"--version", "version"} {
		out, err := exec.CommandContext(ctx, file, arg).CombinedOutput()
		if err != nil {
			continue
		}
		first := versionWord.Find(out)
		return p.release != "" && strings.TrimPrefix(string(first), "v") == p.release
	}
	return false
}

// ensure makes sure that the named programs exist and returns their paths in the same order. Programs of one module
// are built together. progress is called with what happens, a few times a second at most.
func (p *programs) ensure(ctx context.Context, names []string, progress func(string)) ([]string, error) {
	paths := make([]string, len(names))
	missing := map[string][]program{}
	for i, name := range names {
		if paths[i] = p.find(ctx, name); paths[i] == "" {
			prog := p.byName[name]
			missing[prog.Module] = append(missing[prog.Module], prog)
		}
	}
	for _, progs := range missing {
		if err := p.build(ctx, progs, progress); err != nil {
			return nil, err
		}
	}
	for i, name := range names {
		if paths[i] == "" {
			paths[i] = p.byName[name].file
		}
	}
	return paths, nil
}

// takeTurn waits until no other program of this run is being built.
func (p *programs) takeTurn(ctx context.Context, progress func(string)) error {
	began := time.Now()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select { // a free turn is taken without a word
		case p.building <- struct{}{}:
			return nil
		default:
		}
		tellWait(progress, "waits until another program is built", time.Since(began))
		select {
		case p.building <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// tellEvery is how often a wait is told anew, so that it does not look like the end.
const tellEvery = time.Second

// tellWait says what is waited for, and after a while for how long.
func tellWait(progress func(string), what string, waited time.Duration) {
	if waited >= tellEvery {
		what += ", " + waited.Round(time.Second).String()
	}
	progress(what)
}

// build compiles programs of one module and moves them to their places.
func (p *programs) build(ctx context.Context, progs []program, progress func(string)) error {
	first := progs[0]
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return fmt.Errorf("build %s: %w", first.Name, err)
	}
	unlock, err := lockFile(ctx, filepath.Join(p.dir, filepath.Base(first.Module)+".lock"), func(waited time.Duration) {
		tellWait(progress, "waits for another run, which builds "+first.Name, waited)
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", first.Name, err)
	}
	defer unlock()
	progs = slices.DeleteFunc(slices.Clone(progs), func(prog program) bool {
		_, err := os.Stat(prog.file)
		return err == nil // the other run has built it
	})
	if len(progs) == 0 {
		return nil
	}
	// After the lock: while another run builds this one, this run builds what else it needs.
	if err := p.takeTurn(ctx, progress); err != nil {
		return err
	}
	defer func() { <-p.building }()
	mine := ".build-" + filepath.Base(first.Module) + "-*"
	if left, err := filepath.Glob(filepath.Join(p.dir, mine)); err == nil { // by a build that was killed
		for _, dir := range left {
			_ = os.RemoveAll(dir)
		}
	}
	tmp, err := os.MkdirTemp(p.dir, mine)
	if err != nil {
		return fmt.Errorf("build %s: %w", first.Name, err)
	}
	defer os.RemoveAll(tmp)
	if err := compile(ctx, progs, tmp, progress); err != nil {
		return p.placed(err, progs)
	}
	for _, prog := range progs {
		built := filepath.Join(tmp, filepath.Base(prog.Package))
		if err := os.Rename(built, prog.file); err != nil {
			return fmt.Errorf("build %s: %w", prog.Name, err)
		}
	}
	return nil
}

// noPackage is what the go command says of a package that the module does not have.
var noPackage = regexp.MustCompile(`no required module provides package (\S+?);|does not contain package (\S+)|package (\S+) is not in std`)

// placed is the error of a build, told as a fault of stack.yaml where a program's package does not exist.
func (p *programs) placed(err error, progs []program) error {
	for _, m := range noPackage.FindAllStringSubmatch(err.Error(), -1) {
		for _, prog := range progs {
			if m[1]+m[2]+m[3] == prog.Package {
				return &stack.FileError{File: p.file, Line: prog.Line, Msg: fmt.Sprintf("program %q: %s %s has no package %s", prog.Name, prog.modPath, prog.modVersion, prog.Package)}
			}
		}
	}
	return err
}

// errNoGo says what to do where a program must be built and cannot be.
func errNoGo(prog program) error {
	return fmt.Errorf("build %s: Go is not on PATH: install it (https://go.dev/doc/install), or put %s %s on PATH", prog.Name, prog.Name, prog.release)
}

var errBuild = errors.New("go build failed")

// FindPrograms makes sure that real programs of a stack exist and returns their paths in the order of the names: those
// on PATH in the pinned version, those built before, or those built now. cache is the directory that `up` uses; empty
// is CacheDir. progress tells how far a build is.
func FindPrograms(ctx context.Context, s *stack.Stack, cache string, names []string, progress func(string)) ([]string, error) {
	if cache == "" {
		dir, err := CacheDir()
		if err != nil {
			return nil, err
		}
		cache = dir
	}
	p, err := newPrograms(ctx, s, filepath.Join(cache, "bin"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := s.Program(name); err != nil {
			return nil, err
		}
	}
	return p.ensure(ctx, names, progress)
}
