package front

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A name that is unknown for a moment is waited for; one that stays unknown is a container that has ended.
func TestAwaitSeesWhatHasEnded(t *testing.T) {
	t.Parallel()
	unknown := &net.DNSError{Err: "no such host", Name: "kafka", IsNotFound: true}
	asked := 0
	err := until(t.Context(), func(context.Context) error {
		asked++
		switch {
		case asked == 1:
			return unknown
		case asked == 2:
			return errors.New("connection refused")
		}
		return unknown
	})
	assert.ErrorIs(t, err, ErrEnded)
	assert.Equal(t, 2+goneFor, asked)
}
