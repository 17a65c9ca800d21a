import io.syncbridge.Bridge;
import io.syncbridge.BridgeQueue;
import io.syncbridge.Codec;
import io.syncbridge.NdArray;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.GZIPInputStream;

/**
 * Has handwritten digits read by whoever works behind the queue "images", again and again for some fifteen seconds, and
 * counts: every image that is sent must be answered exactly once.
 *
 * <p>Usage: {@code java -cp syncbridge.jar DigitsClient.java URL digits.csv.gz}
 */
final class DigitsClient {
  /** As many rounds as are begun in this time. */
  private static final double RUN_S = 15;

  private static final int ROUNDS_MAX = 4000;
  private static final int SUBMITTERS = 4;
  private static final int NOT_YET = Integer.MAX_VALUE;
  private static final long SILENCE_MAX_S = 20;
  private static final double NANOS = 1e9;

  private final BridgeQueue<Object> images, answers, news, verdict;
  private final List<Digit> digits;

  /** By image id: when it was submitted, and how long its answer took. */
  private final long[] submittedAt, latency;

  private final int[][] confusion = new int[10][10];
  private final AtomicLong blockedNanos = new AtomicLong();
  private final long began;
  private volatile int wanted = NOT_YET;
  private int claimed, answered, duplicated;

  private record Digit(byte[] pixels, int label) {}

  private DigitsClient(Bridge bridge, List<Digit> digits) {
    images = bridge.queue("images", Codec.values());
    answers = bridge.queue("answers", Codec.values());
    news = bridge.queue("news", Codec.values());
    verdict = bridge.queue("verdict", Codec.values());
    this.digits = digits;
    submittedAt = new long[ROUNDS_MAX * digits.size()];
    latency = new long[submittedAt.length];
    began = System.nanoTime();
  }

  public static void main(String[] arguments) throws Exception {
    boolean well;
    try (Bridge bridge = Bridge.connect(arguments[0])) {
      List<Digit> all = read(Path.of(arguments[1]));
      List<Digit> unseen = all.subList(all.size() / 2, all.size());
      bridge.event("model-ready").await();
      well = new DigitsClient(bridge, unseen).run();
    }
    System.exit(well ? 0 : 1);
  }

  private static List<Digit> read(Path file) throws IOException {
    List<Digit> digits = new ArrayList<>();
    try (BufferedReader reader =
        new BufferedReader(new InputStreamReader(new GZIPInputStream(Files.newInputStream(file))))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        String[] cells = line.split(",");
        byte[] pixels = new byte[64];
        for (int i = 0; i < pixels.length; i++) {
          pixels[i] = (byte) Double.parseDouble(cells[i]);
        }
        digits.add(new Digit(pixels, (int) Double.parseDouble(cells[64])));
      }
    }
    return digits;
  }

  private boolean run() throws InterruptedException {
    for (int i = 0; i < SUBMITTERS; i++) {
      Thread submitter = new Thread(this::submit, "submitter " + i);
      submitter.setDaemon(true);
      submitter.start();
    }
    collect();
    double seconds = seconds();
    news.put(Map.of("what", "finished"));

    // The workers have ended when the verdict arrives, so an answer that comes after it came twice.
    Object killed = verdict.poll(60, TimeUnit.SECONDS);
    List<Object> late = new ArrayList<>();
    answers.drainTo(late);
    late.forEach(this::note);
    return report(seconds, killed == null ? -1 : ((Number) killed).intValue());
  }

  /** Puts images at full speed: the bounded queue holds it back. */
  private void submit() {
    try {
      for (int id = claim(); id >= 0; id = claim()) {
        Digit digit = digits.get(id % digits.size());
        Object image = Map.of("id", (long) id, "image", NdArray.of(digit.pixels(), 8, 8));
        long before = System.nanoTime();
        submittedAt[id] = before;
        images.put(image);
        blockedNanos.addAndGet(System.nanoTime() - before);
      }
    } catch (InterruptedException stop) {
      Thread.currentThread().interrupt();
    }
  }

  /** The next image to send, or -1 at the end: that of the first round that ends after {@link #RUN_S}. */
  private synchronized int claim() {
    boolean roundEnds = claimed % digits.size() == 0 && claimed > 0;
    if (roundEnds && (seconds() > RUN_S || claimed == submittedAt.length)) {
      wanted = claimed;
    }
    return claimed == wanted ? -1 : claimed++;
  }

  private synchronized int claimedSoFar() {
    return claimed;
  }

  private double seconds() {
    return (System.nanoTime() - began) / NANOS;
  }

  /** Takes answers until there is one to every image, or none for a long time; tells the news once a second. */
  private void collect() throws InterruptedException {
    List<Object> batch = new ArrayList<>();
    long toldAt = began;
    int told = 0;
    long toldBlocked = 0;
    while (answered < wanted) {
      Object first = answers.poll(SILENCE_MAX_S, TimeUnit.SECONDS);
      if (first == null) {
        System.out.println("no answer for " + SILENCE_MAX_S + " s");
        return;
      }
      note(first);
      answers.drainTo(batch, 255);
      batch.forEach(this::note);
      batch.clear();
      long now = System.nanoTime();
      if (now - toldAt > NANOS) {
        double seconds = (now - toldAt) / NANOS;
        int count = answered;
        long blocked = blockedNanos.get();
        Map<String, Object> figures =
            Map.of(
                "answered", (long) count,
                "share", Math.min(1, seconds() / RUN_S),
                "rate", Math.round((count - told) / seconds),
                "blocked", Math.min(1, (blocked - toldBlocked) / NANOS / seconds / SUBMITTERS));
        news.put(Map.of("what", "progress", "figures", figures));
        toldAt = now;
        told = count;
        toldBlocked = blocked;
      }
    }
  }

  private void note(Object answer) {
    Map<?, ?> fields = (Map<?, ?>) answer;
    int id = ((Number) fields.get("id")).intValue();
    if (latency[id] != 0) {
      duplicated++;
      return;
    }
    latency[id] = Math.max(1, System.nanoTime() - submittedAt[id]);
    confusion[digits.get(id % digits.size()).label()][((Number) fields.get("digit")).intValue()]++;
    answered++;
  }

  private boolean report(double seconds, int killed) {
    int count = answered;
    int all = wanted == NOT_YET ? claimedSoFar() : wanted;
    long[] sorted = Arrays.stream(latency).filter(nanos -> nanos != 0).sorted().toArray();
    int right = 0;
    for (int digit = 0; digit < 10; digit++) {
      right += confusion[digit][digit];
    }
    double accuracy = count == 0 ? 0 : (double) right / count;

    System.out.printf("%nrows: the digit that was written; columns: the digit that was read%n    ");
    for (int digit = 0; digit < 10; digit++) {
      System.out.printf("%8d", digit);
    }
    System.out.println();
    for (int digit = 0; digit < 10; digit++) {
      System.out.printf("%4d", digit);
      for (int cell : confusion[digit]) {
        System.out.printf("%8s", cell == 0 ? "." : cell);
      }
      System.out.println();
    }
    System.out.printf(
        "%n%d images, %d rounds, %d answers in %.1f s: %.0f per second, accuracy %.3f%n",
        digits.size(), all / digits.size(), count, seconds, count / seconds, accuracy);
    System.out.printf(
        "from put to answer: p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, longest %.1f ms%n",
        percentile(sorted, 0.50), percentile(sorted, 0.95), percentile(sorted, 0.99), percentile(sorted, 1));
    int lost = all - count;
    System.out.printf(
        "demo: answered=%d/%d accuracy=%.3f lost=%d duplicated=%d killed_workers=%d%n",
        count, all, accuracy, lost, duplicated, killed);
    return count > 0 && lost == 0 && duplicated == 0 && killed == 1;
  }

  private static double percentile(long[] sorted, double share) {
    return sorted.length == 0 ? 0 : sorted[(int) Math.round(share * (sorted.length - 1))] / 1e6;
  }
}
