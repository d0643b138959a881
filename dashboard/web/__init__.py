"""Around the pages: the server, who may come in, and what is answered without Streamlit."""
