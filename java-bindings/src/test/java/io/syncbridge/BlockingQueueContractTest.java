package io.syncbridge;

import com.google.common.collect.testing.QueueTestSuiteBuilder;
import com.google.common.collect.testing.TestStringQueueGenerator;
import com.google.common.collect.testing.features.CollectionFeature;
import com.google.common.collect.testing.features.CollectionSize;
import java.util.List;
import java.util.Queue;
import junit.framework.Test;
import junit.framework.TestSuite;
import org.junit.runner.RunWith;
import org.junit.runners.AllTests;

/** What guava checks of the JDK's own queues, on both placements, unbounded and bounded. */
@RunWith(AllTests.class)
public class BlockingQueueContractTest {
  public static Test suite() {
    TestSuite suite = new TestSuite();
    for (Placement placement : Placement.values()) {
      Bridge bridge = placement.connect();
      for (QueueOptions options :
          List.of(QueueOptions.DEFAULT, QueueOptions.DEFAULT.withMaxsize(1000))) {
        suite.addTest(suite(placement + " maxsize " + options.maxsize(), bridge, options));
      }
    }
    return suite;
  }

  private static Test suite(String name, Bridge bridge, QueueOptions options) {
    return QueueTestSuiteBuilder.using(
            new TestStringQueueGenerator() {
              @Override
              protected Queue<String> create(String[] elements) {
                BridgeQueue<String> queue = bridge.queue(Codec.string(), options);
                queue.addAll(List.of(elements));
                return queue;
              }
            })
        .named("BridgeQueue " + name)
        .withFeatures(
            CollectionFeature.GENERAL_PURPOSE,
            CollectionFeature.ALLOWS_NULL_QUERIES,
            CollectionFeature.KNOWN_ORDER,
            CollectionFeature.NON_STANDARD_TOSTRING,
            CollectionSize.ANY)
        .createTestSuite();
  }
}
