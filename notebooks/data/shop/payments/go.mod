module example.com/shop/payments

go 1.24

require go.temporal.io/sdk v1.35.0
