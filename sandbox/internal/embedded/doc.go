// Package embedded runs a stack as plain processes of this machine: it builds the pinned programs, checks the
// configuration, starts every component as its own process, keeps it running and ends all of them with itself. It
// knows what a component is called and how its program is started; what a component does is none of its business.
package embedded
