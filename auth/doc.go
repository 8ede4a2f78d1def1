// Package auth lets a client and a server prove to each other that they hold
// the same secret, and says what the holder of that secret may do.
//
// # Keys
//
// A Key is an authkey: bytes that both sides hold, from Generate, LoadFile or
// FromEnv. A Passphrase is one that a person remembers; it becomes a key by
// argon2id. Neither is ever printed. A server holds its keys in a Keyring, each
// under a name and with a Role.
//
// # The handshake
//
// Client and Server run it on a fresh connection, under a deadline, before
// anything else:
//
//	client -> server   hello: versions offered, transport kind, key name, nonce
//	server -> client   hello: version chosen, nonce, salt and costs of argon2id
//	client -> server   proof
//	server -> client   proof, or one byte for "no"
//
// Each message has a big-endian uint16 length in front. A proof is an
// HMAC-SHA256 over
//
//	a label, the transport kind, the TLS exporter value, the client hello, the
//	server hello, and, in the server's proof, the client's proof
//
// with a uint16 length in front of each (the last field is empty in the
// client's proof, the exporter value is empty without TLS). Its key comes from
// the authkey by HKDF-SHA256, without salt and with the same label as info:
// "syncmanager/1 client" or "syncmanager/1 server".
//
// What that gives:
//
//   - A proof sent back to its sender proves nothing, as each side has a key of
//     its own. A recorded proof proves nothing, as both sides put in a nonce.
//   - A man in the middle of a TLS connection has two of them, with different
//     exporter values (RFC 9266), so no proof fits the other side. There is no
//     certificate to check.
//   - Each side puts in the transport kind and exporter value that it sees
//     itself, and all bytes of both hellos. Nobody can lower the version, rename
//     the key or strip TLS unnoticed.
//   - The client proves first: a stranger gets nothing from the server that was
//     made with a key. It hears "no", whether the key was wrong or its name
//     unknown, and the server does the same work for both. The salt is derived
//     from a name and a secret of the keyring, for every name alike, and
//     is sent whether or not a passphrase is in use.
//   - A server that speaks none of the versions offered says which it speaks.
//     That answer is not authenticated: it can end an attempt and nothing more.
//
// The outcome is a Peer. Its Binding is a hash over the same fields. Its
// SessionKey is HKDF-SHA256 of the authkey with the info "syncmanager/1
// session", client nonce, server nonce and Binding; ResumeProof uses it to take
// up a session on another connection.
//
// # Python
//
// DeliverChallenge and AnswerChallenge speak the protocol of Python's
// multiprocessing.connection instead, for peers that know no other. It is weaker
// on all the points above.
package auth
