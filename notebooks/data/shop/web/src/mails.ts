import { Queue, Worker } from "bullmq";

const connection = { url: process.env.REDIS_URL };

export const mails = new Queue("mails", { connection });

export const sender = new Worker(
  "mails",
  async (job) => console.log(`send ${job.data.subject} to ${job.data.to}`),
  { connection },
);

export async function confirm(order: { email: string }) {
  await mails.add("confirm", { to: order.email, subject: "Your order" }, { attempts: 5 });
}
