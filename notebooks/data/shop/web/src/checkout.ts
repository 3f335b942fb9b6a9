import { createMachine } from "xstate";

export const checkout = createMachine({
  id: "checkout",
  initial: "cart",
  states: {
    cart: { on: { PAY: "paying" } },
    paying: { on: { PAID: "done", DECLINED: "cart" }, after: { 30000: "cart" } },
    done: { type: "final" },
  },
});
