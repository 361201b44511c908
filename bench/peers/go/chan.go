// SPDX-License-Identifier: MIT

package main

import "time"

// A ball goes there and back; one operation is one round trip.
func chanPingpong(n int) float64 {
	there, back := make(chan int), make(chan int)
	go func() {
		for ball := range there {
			back <- ball
		}
		close(back)
	}()
	start := time.Now()
	for i := range n {
		there <- i
		<-back
	}
	ns := perOp(start, n)
	close(there)
	<-back
	return ns
}

// The same where both are ready to be told to stop, as servers are.
func selectPingpong(n int) float64 {
	there, back, stop := make(chan int), make(chan int), make(chan struct{})
	go func() {
		defer close(back)
		for {
			select {
			case ball := <-there:
				back <- ball
			case <-stop:
				return
			}
		}
	}()
	start := time.Now()
	for i := range n {
		there <- i
		select {
		case <-back:
		case <-stop:
			fail("stopped too early")
		}
	}
	ns := perOp(start, n)
	close(stop)
	<-back
	return ns
}

// A tree of tasks with ten below each sums up the numbers of its leaves.
func skynetNode(above chan<- int, number, leaves int) {
	if leaves == 1 {
		above <- number
		return
	}
	below := make(chan int)
	leaves /= 10
	for i := range 10 {
		go skynetNode(below, number+i*leaves, leaves)
	}
	sum := 0
	for range 10 {
		sum += <-below
	}
	above <- sum
}

// n is a power of ten; one operation is one task, those above leaves as well.
func skynet(n int) float64 {
	result := make(chan int)
	start := time.Now()
	go skynetNode(result, 0, n)
	sum := <-result
	ns := perOp(start, (10*n-1)/9)
	if sum != n*(n-1)/2 {
		fail("skynet got a wrong sum")
	}
	return ns
}

// One produces, one consumes; one operation is one value.
func chanBuffered128(n int) float64 {
	values := make(chan int, 128)
	start := time.Now()
	go func() {
		for i := range n {
			values <- i
		}
		close(values)
	}()
	sum := 0
	for value := range values {
		sum += value
	}
	ns := perOp(start, n)
	if sum != n*(n-1)/2 {
		fail("the channel lost a value")
	}
	return ns
}
