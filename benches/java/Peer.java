import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Peer SYSTEM ADDRESS: one process of the bench. Reads tasks, a line "DO COUNT BYTES" each, and
 * answers with a line of JSON. The same work as in tasks.py.
 */
public final class Peer {
  private static final int BATCH = 100;
  private static final int WINDOW = 1024;

  /** What is compared, in the words of its users. */
  interface Client {
    void put(String queue, byte[] item) throws InterruptedException;

    byte[] get(String queue) throws InterruptedException;

    void putMany(String queue, List<byte[]> items) throws InterruptedException;

    /** Waits for at least one. */
    List<byte[]> getMany(String queue, int most) throws InterruptedException;

    /** Waits for an event. */
    void await(String event) throws InterruptedException;
  }

  private final Client client;

  private Peer(Client client) {
    this.client = client;
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    Client client =
        arguments[0].equals("redis")
            ? new JedisClient(arguments[1])
            : new SyncBridgeClient(arguments[1]);
    Peer peer = new Peer(client);
    BufferedReader tasks = new BufferedReader(new InputStreamReader(System.in));
    System.out.println("null");
    for (String line = tasks.readLine(); line != null; line = tasks.readLine()) {
      String[] task = line.split(" ");
      int count = Integer.parseInt(task[1]);
      byte[] item = new byte[Integer.parseInt(task[2])];
      System.out.println(peer.run(task[0], count, item));
    }
  }

  private String run(String task, int count, byte[] item) throws InterruptedException {
    switch (task) {
      case "ping":
        return ping(count, item);
      case "pong":
        for (int i = 0; i < count; i++) {
          client.put("pong", client.get("ping"));
        }
        break;
      case "put":
        for (int i = 0; i < count; i++) {
          client.put("way", item);
        }
        break;
      case "get":
        for (int i = 0; i < count; i++) {
          client.get("way");
        }
        break;
      case "put_many":
        putMany("bulk", count, item, BATCH);
        break;
      case "get_many":
        getMany("bulk", count, BATCH);
        break;
      // These two are to use a window of single puts and a consumer that prefetches, once Java has them.
      case "stream_out":
        putMany("stream", count, item, WINDOW);
        break;
      case "stream_in":
        getMany("stream", count, WINDOW);
        break;
      case "wait":
        return Long.toString(waitForEvent(count));
      default:
        throw new IllegalArgumentException(task);
    }
    return "null";
  }

  private String ping(int count, byte[] item) throws InterruptedException {
    double[] micros = new double[count];
    for (int i = 0; i < count; i++) {
      long began = System.nanoTime();
      client.put("ping", item);
      client.get("pong");
      micros[i] = (System.nanoTime() - began) / 1e3;
    }
    return Arrays.toString(micros);
  }

  private void putMany(String queue, int count, byte[] item, int batch)
      throws InterruptedException {
    for (int left = count; left > 0; left -= batch) {
      client.putMany(queue, Collections.nCopies(Math.min(left, batch), item));
    }
  }

  private void getMany(String queue, int count, int batch) throws InterruptedException {
    int left = count;
    while (left > 0) {
      left -= client.getMany(queue, Math.min(left, batch)).size();
    }
  }

  /** So many threads wait for an event; when the last one went on, by the clock of all processes. */
  private long waitForEvent(int count) throws InterruptedException {
    AtomicLong last = new AtomicLong();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  client.await("start");
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
                last.accumulateAndGet(System.nanoTime(), Math::max);
              });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join();
    }
    return last.get();
  }
}
