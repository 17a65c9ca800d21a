package io.syncbridge;

/** The command line {@code syncbridge}: {@code java -jar syncbridge.jar serve}. */
final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    System.exit(Native.commandLine(arguments));
  }
}
