package main

import "context"

func Authorize(ctx context.Context, order string) error { return nil }

func Capture(ctx context.Context, order string) error { return nil }
