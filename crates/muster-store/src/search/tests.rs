mod agree;
mod cases;
mod lists;
mod plans;
mod store;
