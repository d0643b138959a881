"""The screens: Streamlit's pages and the routes beside them in one process, the relay for live prices in another."""
