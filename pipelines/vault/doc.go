// Package vault owns the reading of secrets from a HashiCorp Vault, or what speaks its
// HTTP API: it logs in with a signed token of a job (JWT), reads fields of key-value
// engines, and gives the login back. It keeps nothing, and no value and no token of it
// is ever in an error. Start at Client.Read.
package vault
