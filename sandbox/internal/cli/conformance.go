package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"obsandbox/sandbox/internal/elastic/conformance"
	"obsandbox/sandbox/internal/report"
)

// conformanceCmd judges a running Elasticsearch by the cases of the store that stands in for it: where they fail, the two
// do not agree.
type conformanceCmd struct {
	URL  string `arg:"" help:"The server. Cases touch only what they make there, whose names begin with conformance-."`
	User string `env:"ELASTICSEARCH_USER" placeholder:"NAME:PASSWORD" help:"Whom to log in as."`
	formatFlag
}

func (c *conformanceCmd) Run(ctx context.Context, con *console) error {
	cases, err := conformance.Cases()
	if err != nil {
		return err
	}
	r := &report.Report{}
	for _, one := range cases {
		began := time.Now()
		err := one.Run(ctx, c.URL, c.User)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if unreachable := (*url.Error)(nil); errors.As(err, &unreachable) { // what cannot be asked cannot be judged
			return fmt.Errorf("%s: %s: %w", c.URL, one.Name, err)
		}
		r.Add(resultOf("elasticsearch conformance", one.File+": "+one.Name, err, time.Since(began)))
	}
	if err := c.write(con, r, false); err != nil {
		return err
	}
	return verdict(r)
}
