// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const connections = 100

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func connOf(fd int) net.Conn {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	conn, err := net.FileConn(file)
	must(err)
	return conn
}

func readByte(conn net.Conn, one []byte) {
	_, err := conn.Read(one)
	must(err)
}

func writeByte(conn net.Conn, one []byte) {
	_, err := conn.Write(one)
	must(err)
}

func ask(conn net.Conn, count int) {
	one := make([]byte, 1)
	for range count {
		writeByte(conn, one)
		readByte(conn, one)
	}
}

func echo(conn net.Conn, count int) {
	one := make([]byte, 1)
	for range count {
		readByte(conn, one)
		writeByte(conn, one)
	}
}

func fdPingpong(n int) float64 { return echoBetween(n, 1) }
func fdEcho100(n int) float64  { return echoBetween(n, connections) }

// A byte goes there and back over each socket pair; one operation is one round trip.
func echoBetween(n, pairs int) float64 {
	conns := make([][2]net.Conn, pairs)
	for i := range conns {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
		must(err)
		conns[i] = [2]net.Conn{connOf(fds[0]), connOf(fds[1])}
	}
	var wg sync.WaitGroup
	start := time.Now()
	for _, pair := range conns {
		wg.Go(func() { ask(pair[0], n/pairs) })
		wg.Go(func() { echo(pair[1], n/pairs) })
	}
	wg.Wait()
	ns := perOp(start, n/pairs*pairs)
	for _, pair := range conns {
		pair[0].Close()
		pair[1].Close()
	}
	return ns
}

// The same where the ones who ask are in another process: ../../clients.c.
func fdServe100(n int) float64 {
	program := os.Getenv("BENCH_CLIENTS")
	if program == "" {
		fail("BENCH_CLIENTS does not say where bench-clients is")
	}
	name := fmt.Sprint("weft-bench-", os.Getpid())
	listener, err := net.Listen("unix", "@"+name)
	must(err)
	each := n / connections
	clients := exec.Command(program, name, strconv.Itoa(connections), strconv.Itoa(each))
	clients.Stderr = os.Stderr
	must(clients.Start())
	conns := make([]net.Conn, connections)
	for i := range conns {
		conns[i], err = listener.Accept()
		must(err)
	}
	listener.Close()
	for _, conn := range conns {
		writeByte(conn, []byte{0})
	}
	var wg sync.WaitGroup
	start := time.Now()
	for _, conn := range conns {
		wg.Go(func() { echo(conn, each) })
	}
	wg.Wait()
	ns := perOp(start, each*connections)
	must(clients.Wait())
	for _, conn := range conns {
		conn.Close()
	}
	return ns
}
