package managers

// valueContext is what proxies among the arguments of user methods work
// through.
func (s *Server) valueContext() any { return nil }

func (s *Server) closeLocal() {}
