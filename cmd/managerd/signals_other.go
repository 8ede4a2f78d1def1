//go:build !unix

package main

import "os"

// reloadSignals make the server read its keys again: there are none here.
var reloadSignals []os.Signal
