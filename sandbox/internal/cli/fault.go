package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"obsandbox/sandbox/internal/platform/world"
)

type faultCmd struct {
	targetFlag
	Name    string        `arg:"" optional:"" help:"The fault: see --list."`
	Service string        `placeholder:"NAME" help:"Only this service."`
	For     time.Duration `placeholder:"DURATION" help:"Mend it after this time (default: when it is cleared)."`
	List    bool          `help:"List the faults there are, and which of them are made."`
	Clear   bool          `help:"Mend the named fault, or all of them."`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// faultList is what the platform answers about its faults.
type faultList struct {
	Faults []struct {
		world.Fault
		Active []world.Active `json:"active"`
	} `json:"faults"`
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
	var none *noneError
	if c.List && errors.As(err, &none) { // what could be broken is known all the same
		return c.list(con.out, catalogueOfFaults())
	}
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
	if c.List {
		var all faultList
		if err := json.Unmarshal([]byte(answer), &all); err != nil {
			return fmt.Errorf("faults of the platform: %w", err)
		}
		return c.list(con.out, all)
	}
	switch {
	case c.JSON && answer != "":
		fmt.Fprintln(con.out, answer)
	case c.Clear:
		fmt.Fprintln(con.err, "mended:", cmp.Or(strings.TrimSpace(c.Name+" "+c.Service), "everything"))
	default:
		text := "broken: " + strings.TrimSpace(c.Name+" "+c.Service)
		if c.For > 0 {
			text += fmt.Sprintf(", for %s", c.For)
		}
		for _, f := range world.Faults() {
			if alerts := f.AlertsText(); f.Name == c.Name && alerts != "" {
				text += "; given time, it fires " + alerts
			}
		}
		fmt.Fprintln(con.err, text)
	}
	return nil
}

// catalogueOfFaults is what the platform would answer with nothing broken.
func catalogueOfFaults() faultList {
	var all faultList
	for _, f := range world.Faults() {
		all.Faults = append(all.Faults, struct {
			world.Fault
			Active []world.Active `json:"active"`
		}{f, []world.Active{}})
	}
	return all
}

// list writes the faults there are: for people as a table, with what is broken now below it.
func (c *faultCmd) list(out io.Writer, all faultList) error {
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FAULT\tMEANING\tSERVICES\tALERTS")
	for _, f := range all.Faults {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", f.Name, f.Meaning, strings.Join(f.Services, ", "), cmp.Or(f.AlertsText(), "-"))
	}
	for _, f := range all.Faults {
		for _, a := range f.Active {
			until := "until it is cleared"
			if !a.Until.IsZero() {
				until = "until " + a.Until.Local().Format(time.TimeOnly)
			}
			fmt.Fprintf(tw, "broken now: %s\t%s %s\n", a.Name, cmp.Or(a.Service, "every service"), until)
		}
	}
	return tw.Flush()
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
