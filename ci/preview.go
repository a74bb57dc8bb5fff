package main

import (
	"context"

	"obsandbox/ci/internal/dagger"
)

// Draws all dashboards in Grafana, by its image renderer: summary.md with the pictures, and preview.html.
//
// An hour of the simulated platform, and one with an incident in every layer. With --base, what has changed against it:
// panels as a readable diff, and their pictures before, after, and of the difference.
// +cache="session"
func (m *Obsandbox) Preview(ctx context.Context,
	// The revision to compare with, as git has it in this checkout: a branch, a tag or a commit.
	// +optional
	base string,
	// The repository with its history.
	// +defaultPath="/"
	repository *dagger.GitRepository,
) (*dagger.Directory, error) {
	s, err := m.plan(ctx, nil, "--preview")
	if err != nil {
		return nil, err
	}
	if err := s.up(ctx); err != nil {
		return nil, err
	}
	ctr, args := s.beside(), []string{"sandbox", "preview", "--out=/preview", "--grafana=" + addressesFile}
	if base != "" {
		const before = "/before"
		ctr = ctr.WithMountedDirectory(before, repository.Ref(base).Tree().Directory("stack/grafana/dashboards"))
		args = append(args, "--base="+base, "--base-dir="+before)
	}
	out, err := ctr.WithExec(args).Directory("/preview").Sync(ctx)
	return out, plain(err)
}
