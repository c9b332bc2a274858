// A TCP relay as Go writes it: io.Copy between two TCP connections splices. What opaque TCP is measured against.
//
//	relay LISTEN UPSTREAM
package main

import (
	"io"
	"log"
	"net"
	"os"
	"runtime"
)

func relay(near *net.TCPConn, address string) {
	defer near.Close()
	upstream, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	far := upstream.(*net.TCPConn)
	defer far.Close()
	done := make(chan struct{})
	go func() {
		io.Copy(far, near)
		far.CloseWrite()
		close(done)
	}()
	io.Copy(near, far)
	near.CloseWrite()
	<-done
}

func main() {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		near, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay(near.(*net.TCPConn), os.Args[2])
	}
}
