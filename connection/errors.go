package connection

import (
	"errors"
	"fmt"
)

var (
	// ErrWriteOnly is the error of receiving on the end of a one-way Pipe that
	// only sends.
	ErrWriteOnly = errors.New("connection is write-only")

	// ErrReadOnly is the error of sending on the end of a one-way Pipe that
	// only receives.
	ErrReadOnly = errors.New("connection is read-only")
)

// BufferTooShort is the error of RecvBytesInto for a message longer than the
// buffer. It carries the message, which is not received again.
type BufferTooShort struct {
	Message []byte // the whole message
	Size    int    // of the buffer
}

func (e *BufferTooShort) Error() string {
	return fmt.Sprintf("message of %d bytes does not fit into a buffer of %d", len(e.Message), e.Size)
}

// MessageTooLong is the error for a message above a limit.
type MessageTooLong struct {
	Size  uint32 // of the message in bytes
	Limit int
}

func (e *MessageTooLong) Error() string {
	return fmt.Sprintf("message of %d bytes is above the limit of %d", e.Size, e.Limit)
}
