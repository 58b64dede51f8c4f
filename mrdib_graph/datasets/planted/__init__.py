"""The generated set ``planted``, where what each modality tells is known."""
