package cli

type checkCmd struct{}
