package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type faultCmd struct {
	targetFlag
	Name    string        `arg:"" optional:"" help:"The fault: see --list."`
	Service string        `placeholder:"NAME" help:"Only this service."`
	For     time.Duration `placeholder:"DURATION" help:"Mend it after this time (default: when it is cleared)."`
	List    bool          `help:"List the faults there are, and which of them are made."`
	Clear   bool          `help:"Mend the named fault, or all of them."`
}

// Validate is called by the parser.
func (c *faultCmd) Validate() error {
	if c.Name == "" && !c.List && !c.Clear {
		return errors.New("name a fault, or give --list or --clear")
	}
	if c.List && (c.Clear || c.Name != "") {
		return errors.New("--list stands by itself")
	}
	return nil
}

func (c *faultCmd) Run(ctx context.Context, con *console) error {
	r, err := c.find(con.err)
	if err != nil {
		return err
	}
	addresses, err := r.Addresses()
	if err != nil {
		return err
	}
	api := addresses.URL("platform", "api")
	if api == "" {
		return errNoPlatform
	}
	method := http.MethodPut
	switch {
	case c.List:
		method = http.MethodGet
	case c.Clear:
		method = http.MethodDelete
	}
	target := api + "/api/faults"
	if c.Name != "" {
		target += "/" + url.PathEscape(c.Name)
	}
	query := url.Values{}
	if c.Service != "" {
		query.Set("service", c.Service)
	}
	if c.For > 0 {
		query.Set("for", c.For.String())
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	answer, err := ask(ctx, method, target)
	if err != nil {
		return fmt.Errorf("faults of the platform: %w", err)
	}
	if answer == "" {
		return nil
	}
	var value any
	if json.Unmarshal([]byte(answer), &value) == nil {
		if pretty, err := json.MarshalIndent(value, "", "  "); err == nil {
			answer = string(pretty)
		}
	}
	fmt.Fprintln(con.out, answer)
	return nil
}

// ask makes one request of the platform and returns its answer; anything but 2xx is an error with that answer.
func ask(ctx context.Context, method, target string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s: %s", method, target, resp.Status, text)
	}
	return text, nil
}
