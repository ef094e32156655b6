"""What a device and the office must agree on: claims, EST's messages, words to read aloud."""
