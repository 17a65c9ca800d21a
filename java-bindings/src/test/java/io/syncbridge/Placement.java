package io.syncbridge;

import java.util.concurrent.atomic.AtomicInteger;

/** Where the engine is: every behaviour is tested on both. */
enum Placement {
  MEM {
    @Override
    String freshUrl() {
      return "mem:test-" + NUMBER.incrementAndGet();
    }
  },
  SERVER {
    @Override
    String freshUrl() {
      return Holder.SERVER.url() + "/test-" + NUMBER.incrementAndGet();
    }
  };

  private static final AtomicInteger NUMBER = new AtomicInteger();

  /** The URL of an engine that nobody else uses. */
  abstract String freshUrl();

  Bridge connect() {
    return Bridge.connect(freshUrl());
  }

  /** One server for all tests of this JVM. */
  private static final class Holder {
    static final BridgeServer SERVER = BridgeServer.start();
  }
}
