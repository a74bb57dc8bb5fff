package embedded

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"obsandbox/sandbox/internal/stack"
)

// starter knows the command lines: of the real programs, and of what this program serves itself.
type starter struct {
	stack *stack.Stack
	// run has an address for every component; running has those of the components that run this time.
	run     stack.RunContext
	running stack.Addresses
	// files are the rendered configuration of each component; the first of a program's files is its main one.
	files map[string][]stack.Rendered
	opt   Options

	mu    sync.Mutex
	paths map[string]string // of programs that have been found, by name
}

func (st *starter) path(program string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.paths[program]
}

func (st *starter) setPath(program, path string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.paths[program] = path
}

// programArgs are the flags of the real programs, by program.
func (st *starter) programArgs(c stack.Component) ([]string, error) {
	if len(st.files[c.Name]) == 0 {
		return nil, &stack.FileError{File: st.stack.Path(stack.FileName), Msg: fmt.Sprintf("component %q: its config lists no file to start %s with", c.Name, c.Program)}
	}
	config := st.files[c.Name][0].Path
	a := st.run.Addresses
	data := st.data(c)
	switch c.Program {
	case "prometheus":
		args := []string{
			"--config.file=" + config,
			"--web.listen-address=" + a.Of(c.Name, c.Ready.Port),
			// What notifications link to.
			"--web.external-url=" + a.URL(c.Name, c.Ready.Port),
			"--web.enable-lifecycle",
			"--storage.tsdb.path=" + data,
			"--storage.tsdb.retention.time=7d",
			// A segment of the usual 128 MB would be allocated at once.
			"--storage.tsdb.wal-segment-size=16MB",
			// An alert that fires while Alertmanager starts is sent again soon, not after a minute.
			"--rules.alert.resend-delay=1s",
			// The first scrape comes when this has passed; 5 s otherwise. Not in --help, but an ordinary flag.
			"--scrape.discovery-reload-interval=200ms",
			"--log.level=info",
		}
		if st.run.Factor > 1 {
			// How far back a value still counts: 5 m, as much shorter as all other times.
			args = append(args, fmt.Sprintf("--query.lookback-delta=%dms", int(5*60_000/st.run.Factor)))
		}
		return args, nil
	case "alertmanager":
		return []string{
			"--config.file=" + config,
			"--web.listen-address=" + a.Of(c.Name, c.Ready.Port),
			"--web.external-url=" + a.URL(c.Name, c.Ready.Port),
			"--storage.path=" + data,
			"--data.retention=120h",
			// Off: there are no peers, and it would listen on every address.
			"--cluster.listen-address=",
		}, nil
	case "jaeger":
		return []string{"--config=" + config}, nil
	}
	return nil, &stack.FileError{File: st.stack.Path(stack.FileName), Msg: fmt.Sprintf("component %q: how to start the program %q without a container is not known", c.Name, c.Program)}
}

// programEnv tunes the garbage collector of the real programs: the whole stack is to fit beside what its user works
// with. The limits are far above what they use; near them, they collect harder instead of growing.
func programEnv(program string) []string {
	switch program {
	case "prometheus":
		return []string{"GOGC=50", "GOMEMLIMIT=192MiB"}
	case "jaeger":
		return []string{"GOGC=50", "GOMEMLIMIT=128MiB"}
	case "alertmanager":
		return []string{"GOGC=50", "GOMEMLIMIT=64MiB"}
	}
	return nil
}

// serveArgs are the arguments of `serve` for what this program serves itself.
func (st *starter) serveArgs(c stack.Component) (args, env []string, err error) {
	a := st.run.Addresses
	listen := a.Of(c.Name, c.Ready.Port)
	config := func(i int) string {
		if i < len(c.Config) {
			return st.stack.Path(c.Config[i])
		}
		return ""
	}
	env = []string{"GOGC=50", "GOMEMLIMIT=160MiB"}
	switch c.Name {
	case "kafka":
		args = []string{"--listen", listen, "--data", st.data(c), "--topics", config(0)}
	case "elasticsearch":
		args = []string{"--listen", listen, "--data", st.data(c), "--config", config(0)}
	case "logstash":
		args = []string{"--settings", filepath.Dir(config(0)), "--api", listen, "--data", st.data(c)}
		env = append(env, "KAFKA_BOOTSTRAP_SERVERS="+a.Of("kafka", "broker"), "ELASTICSEARCH_HOSTS="+a.URL("elasticsearch", "http"))
	case "platform":
		args = []string{
			"--stack-dir", st.stack.Dir, "--api", a.Of(c.Name, "api"), "--proxy", a.Of(c.Name, "proxy"), "--kubernetes", a.Of(c.Name, "kubernetes"),
			// Empty where they do not run: then nothing is sent.
			"--kafka", st.running.Of("kafka", "broker"), "--otlp", st.running.URL("jaeger", "otlp-http"),
			"--seed", strconv.FormatUint(st.opt.Seed, 10),
		}
		if st.opt.Factor > 1 {
			args = append(args, "--factor", strconv.FormatFloat(st.opt.Factor, 'g', -1, 64))
		}
		for _, f := range st.opt.Faults {
			args = append(args, "--fault", f)
		}
		for _, own := range st.opt.Replace {
			args = append(args, "--replace", own)
		}
		for _, own := range st.opt.Join {
			args = append(args, "--join", own)
		}
		for _, name := range st.stack.Names() {
			other, _ := st.stack.Component(name)
			if up := st.running.Of(name, other.Ready.Port); up != "" && name != c.Name {
				args = append(args, "--upstream", name+"="+up)
			}
		}
	case "grafana":
		args = []string{"--listen", listen, "--addresses", filepath.Join(st.run.Dir, addressesFile)}
	default:
		return nil, nil, &stack.FileError{File: st.stack.Path(stack.FileName), Msg: fmt.Sprintf("component %q: how to run it without a container is not known", c.Name)}
	}
	return append([]string{"serve", c.Name}, args...), env, nil
}

func (st *starter) data(c stack.Component) string { return filepath.Join(st.run.Dir, "data", c.Name) }

// command is the command line of a component; programs must have been found.
func (st *starter) command(c stack.Component) (command, error) {
	if c.Program == "" {
		args, env, err := st.serveArgs(c)
		if err != nil {
			return command{}, err
		}
		return command{path: st.opt.Self[0], args: append(append([]string{}, st.opt.Self[1:]...), args...), env: env, dir: st.run.Dir, own: true}, nil
	}
	args, err := st.programArgs(c)
	if err != nil {
		return command{}, err
	}
	return command{path: st.path(c.Program), args: args, env: programEnv(c.Program), dir: st.run.Dir}, nil
}
