package proxy

import (
	"context"
)

// Namespace is a proxy of a shared object with attributes.
type Namespace struct{ base[namespaceKind] }

// NewNamespace makes a namespace without a name, with those attributes.
func NewNamespace(ctx context.Context, m *Manager, attrs ...map[string]any) (*Namespace, error) {
	args := make([]any, len(attrs))
	for i, a := range attrs {
		args[i] = a
	}
	return create[Namespace](ctx, m, args...)
}

// OpenNamespace opens the namespace of that name, and makes an empty one if
// there is none.
func OpenNamespace(ctx context.Context, m *Manager, name string) (*Namespace, error) {
	return open[Namespace](ctx, m, name)
}

// Get returns the attribute as it decodes into an interface, or ErrAttribute.
// Attr is for those whose type is known.
func (n *Namespace) Get(ctx context.Context, name string) (any, error) {
	return Attr[any](ctx, n, name)
}

// Attr returns an attribute of the namespace, or ErrAttribute.
//
//	limit, err := proxy.Attr[int](ctx, config, "limit")
func Attr[T any](ctx context.Context, n *Namespace, name string) (T, error) {
	return call1[T](ctx, n.object, &namespaceGetattr, name)
}

// Set sets the attribute.
func (n *Namespace) Set(ctx context.Context, name string, value any) error {
	return exec2(ctx, n.object, &namespaceSetattr, name, value)
}

// Delete removes the attribute, or returns ErrAttribute.
func (n *Namespace) Delete(ctx context.Context, name string) error {
	return exec1(ctx, n.object, &namespaceDelattr, name)
}

// List returns the names of the attributes in the order in which they were
// first set, without those that begin with an underscore.
func (n *Namespace) List(ctx context.Context) ([]string, error) {
	return call0[[]string](ctx, n.object, &namespaceList)
}
