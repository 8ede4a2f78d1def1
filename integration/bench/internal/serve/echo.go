// Package serve holds the servers that the benchmark runs itself, each in a
// process of its own: the raw echo, net/rpc and the embedded manager.
package serve

import "net"

// Echo writes back what arrives on the connections of l, one goroutine each,
// until l is closed.
func Echo(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go echoConn(conn)
	}
}

// echoConn uses plain reads and writes: io.Copy would splice inside the kernel,
// which no server that looks at its input can do.
func echoConn(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := conn.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
