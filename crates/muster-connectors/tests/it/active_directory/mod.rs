mod binding;
mod checking;
mod contract;
mod encryption;
mod wire;
