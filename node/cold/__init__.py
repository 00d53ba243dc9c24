"""The cold-storage watch: what the sensors say, judged by the rules of cold holding. It decides nothing."""
