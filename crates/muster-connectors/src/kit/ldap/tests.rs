mod basic_encoding;
mod hostile;
mod messages;
mod random;
