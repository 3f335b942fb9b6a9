package main

import (
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Pay takes the money, and gives it back where the order cannot be kept.
func Pay(ctx workflow.Context, order string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.ExecuteActivity(ctx, Authorize, order).Get(ctx, nil); err != nil {
		return err
	}
	workflow.GetSignalChannel(ctx, "shipped").Receive(ctx, nil)
	return workflow.ExecuteActivity(ctx, Capture, order).Get(ctx, nil)
}

func main() {
	c, err := client.Dial(client.Options{})
	if err != nil {
		panic(err)
	}
	w := worker.New(c, "payments", worker.Options{})
	w.RegisterWorkflow(Pay)
	w.RegisterActivity(Authorize)
	w.RegisterActivity(Capture)
	_ = w.Run(worker.InterruptCh())
}
