package wire

// The errors of the value functions have types of their own. Their As methods
// let AsError, and errors.As with an *Error, see them with the code that stands
// for the same exception in Python; their Is methods let errors.Is find that
// code's sentinel.

func asError(err error, c Code, target any) bool {
	t, ok := target.(**Error)
	if ok {
		*t = &Error{Code: c, Message: err.Error(), Safe: safeCodes[c]}
	}
	return ok
}

func isCode(c Code, target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == c
}

// As sets an **Error to e with CodeProtocol.
func (e *SyntaxError) As(target any) bool { return asError(e, CodeProtocol, target) }

// Is reports whether target has CodeProtocol.
func (e *SyntaxError) Is(target error) bool { return isCode(CodeProtocol, target) }

// As sets an **Error to e with CodeType.
func (e *TypeError) As(target any) bool { return asError(e, CodeType, target) }

// Is reports whether target has CodeType.
func (e *TypeError) Is(target error) bool { return isCode(CodeType, target) }

// As sets an **Error to e with CodeType.
func (e *UnhashableError) As(target any) bool { return asError(e, CodeType, target) }

// Is reports whether target has CodeType.
func (e *UnhashableError) Is(target error) bool { return isCode(CodeType, target) }

// As sets an **Error to e with CodeType.
func (e *OperandError) As(target any) bool { return asError(e, CodeType, target) }

// Is reports whether target has CodeType.
func (e *OperandError) Is(target error) bool { return isCode(CodeType, target) }

// As sets an **Error to e with CodeOverflow.
func (e *OverflowError) As(target any) bool { return asError(e, CodeOverflow, target) }

// Is reports whether target has CodeOverflow.
func (e *OverflowError) Is(target error) bool { return isCode(CodeOverflow, target) }

// As sets an **Error to e with its code.
func (e *ValueError) As(target any) bool { return asError(e, e.Code, target) }

// Is reports whether target has e's code.
func (e *ValueError) Is(target error) bool { return isCode(e.Code, target) }
