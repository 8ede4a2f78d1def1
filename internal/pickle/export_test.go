package pickle

// Equal and Cyclic are those of package pickletest, which imports this one: the
// external tests bring them.
var (
	Equal  func(a, b Node) bool
	Cyclic func(n Node) bool
)
