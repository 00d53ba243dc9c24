"""The cold-storage watch: what the sensors say, judged by the rules of cold holding. Derived, never authority over food."""
