package pydoor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// The kinds of Python's replies.
const (
	kindReturn         = "#RETURN"
	kindError          = "#ERROR"
	kindTraceback      = "#TRACEBACK"
	kindUnserializable = "#UNSERIALIZABLE"
	kindProxy          = "#PROXY"
)

// reply is what a client gets: one of a function that writes it, a node, and a
// wire value.
type reply struct {
	kind  string
	emit  func(e *encoder)
	node  pickle.Node
	value wire.Raw
}

func returned(n pickle.Node) reply { return reply{kind: kindReturn, node: n} }

func returnedValue(v wire.Raw) reply { return reply{kind: kindReturn, value: v} }

// traceback is an error of the server's functions. Clients raise RemoteError
// with the text.
func traceback(class, message string) reply {
	text := "Traceback (most recent call last):\n  (on the manager server)\n" + class
	if message != "" {
		text += ": " + message
	}
	return reply{kind: kindTraceback, node: pickle.NewStr(text + "\n")}
}

func unserializable(err error) reply {
	text := "Traceback (most recent call last):\n  (on the manager server)\nTypeError: cannot pickle the result: " + err.Error() + "\n"
	return reply{kind: kindUnserializable, node: pickle.NewStr(text)}
}

// pyError is an exception to be raised in the client.
type pyError struct {
	class string // as wire.Code.Python names it
	text  string
}

func (e *pyError) Error() string { return e.class + ": " + e.text }

func typeError(format string, args ...any) error {
	return &pyError{"TypeError", fmt.Sprintf(format, args...)}
}

func valueError(format string, args ...any) error {
	return &pyError{"ValueError", fmt.Sprintf(format, args...)}
}

func attributeError(format string, args ...any) error {
	return &pyError{"AttributeError", fmt.Sprintf(format, args...)}
}

func runtimeError(format string, args ...any) error {
	return &pyError{"RuntimeError", fmt.Sprintf(format, args...)}
}

// exceptionModule is where Python finds a class that wire.Code.Python names.
func exceptionModule(name string) (module, class string) {
	if module, class, ok := strings.Cut(name, "."); ok {
		return module, class
	}
	return "builtins", name
}

// raised returns the reply for an error of an object's method.
func raised(err error) reply {
	var pe *pyError
	if errors.As(err, &pe) {
		module, class := exceptionModule(pe.class)
		return reply{kind: kindError, node: pickle.NewException(module, class, pickle.NewStr(pe.text))}
	}
	we := wire.AsError(err)
	switch we.Code {
	case wire.CodeRemote, wire.CodePanic, wire.CodeInternal, wire.CodeNotExposed, wire.CodeUnknownObject:
		return tracebackOf(we)
	case wire.CodeKey:
		if we.Detail != "" {
			return reply{kind: kindError, emit: func(e *encoder) {
				e.call("builtins", "KeyError", func() { e.value(we.Detail) })
			}}
		}
		// The message is the repr of what the exception carries.
		text := we.Message
		if n := len(text); n >= 2 && text[0] == '\'' && text[n-1] == '\'' && !strings.ContainsAny(text[1:n-1], `'\`) {
			text = text[1 : n-1]
		}
		return reply{kind: kindError, node: pickle.NewException("builtins", "KeyError", pickle.NewStr(text))}
	case wire.CodeShutDown:
		return reply{kind: kindError, node: shutDownError()}
	case wire.CodeEmpty, wire.CodeFull, wire.CodeStop:
		module, class := exceptionModule(we.Code.Python())
		return reply{kind: kindError, node: pickle.NewException(module, class)}
	}
	module, class := exceptionModule(we.Code.Python())
	return reply{kind: kindError, node: pickle.NewException(module, class, pickle.NewStr(we.Error()))}
}

// shutDownError is queue.ShutDown where the client has it, which is from
// Python 3.13 on, and RuntimeError elsewhere:
//
//	getattr(__import__('queue'), 'ShutDown', RuntimeError)('...')
func shutDownError() pickle.Node {
	class := pickle.NewCall("builtins", "getattr", pickle.NewCall("builtins", "__import__", pickle.NewStr("queue")),
		pickle.NewStr("ShutDown"), &pickle.Global{Module: "builtins", Name: "RuntimeError"})
	return &pickle.Object{Callable: class, Args: pickle.NewTuple(pickle.NewStr("the queue was shut down"))}
}

// tracebackOf returns the reply for an error of the server's functions.
func tracebackOf(err error) reply {
	var pe *pyError
	if errors.As(err, &pe) {
		return traceback(pe.class, pe.text)
	}
	we := wire.AsError(err)
	if we.Code == wire.CodeRemote || we.Code == wire.CodePanic {
		class := we.Type
		if class == "" {
			class = "error"
		}
		return traceback(class, we.Message)
	}
	class := we.Code.Python()
	if class == "RemoteError" {
		class = managersModule + "." + class
	}
	return traceback(class, we.Message)
}
