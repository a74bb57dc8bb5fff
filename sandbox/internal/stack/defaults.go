package stack

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// addressDefault is a variable with what stands for it where the environment does not say it, if that is an address.
var addressDefault = regexp.MustCompile(`\$\{\w+:((?:https?://)?[\w.-]+:\d+(?:,(?:https?://)?[\w.-]+:\d+)*)\}`)

// CheckDefaults follows the addresses that variables of a configuration file fall back on (${KAFKA_SERVERS:kafka:9092}):
// a run without containers says where everything is, and would not notice that one of them leads nowhere. A host with a dot
// in its name is somebody else's.
func (s *Stack) CheckDefaults(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, errors.Unwrap(err))
	}
	var errs []error
	for i, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range addressDefault.FindAllStringSubmatch(line, -1) {
			for address := range strings.SplitSeq(m[1], ",") {
				if why := s.leadsNowhere(address[strings.LastIndex(address, "/")+1:]); why != "" {
					errs = append(errs, &FileError{File: file, Line: i + 1, Msg: m[0] + ": " + why})
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (s *Stack) leadsNowhere(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.Contains(host, ".") || host == "localhost" {
		return ""
	}
	c, err := s.Component(host)
	if err != nil {
		return err.Error()
	}
	if !slices.ContainsFunc(c.Ports, func(p Port) bool { return strconv.Itoa(p.Number) == port }) {
		return fmt.Sprintf("%s has no port %s in %s", host, port, s.Path(FileName))
	}
	return ""
}
